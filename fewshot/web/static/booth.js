// The booth: a photo by camera, file, drop or paste; a style; the drawing, and what can be done with it.

import { $, acceptPictures, readPhoto, send, toBlob, word } from "./common.js";
import { Camera } from "./camera.js";
import { LiveFilter } from "./live.js";

const SIZE = 512; // px of a drawn face
const view = $("view");
const camera = new Camera($("video"));
const tell = (text) => ($("status").textContent = text);
const filter = new LiveFilter(camera, $("live"), tell, (text) => ($("speed").textContent = text));
let photo = null; // canvas
let kept = false; // whether the photo was stored
let drawing = null; // {blob, url}
let request = null;
let counting = false;

// State: empty, camera, live, drawing, result

function show(state) {
  view.dataset.state = state;
  $("actions").hidden = state !== "result";
  $("slider").disabled = state !== "result";
  $("take").textContent = word(state === "result" ? "again" : "take");
  $("livebutton").textContent = word(state === "live" ? "live_stop" : "live");
  $("livebutton").setAttribute("aria-pressed", String(state === "live"));
}

// Styles

const chosen = () => document.querySelector("input[name=style]:checked");

function styles() {
  const first = chosen();
  const second = $("second").value;
  const strength = Number($("strength").value);
  if (!first || (first.dataset.kind === "base" && !second)) return [];
  if (!second) return [`${first.value}:${strength}`];
  const mix = Number($("mix").value);
  const parts = first.dataset.kind === "base" ? [] : [`${first.value}:${(strength * (1 - mix)).toFixed(3)}`];
  return [...parts, `${second}:${(strength * mix).toFixed(3)}`];
}

function styleName() {
  const first = chosen();
  if (!first) return $("second").value || word("base_style");
  const name = first?.dataset.kind === "base" ? word("base_style") : first?.value;
  return $("second").value ? `${name} + ${$("second").value}` : name;
}

// Camera

async function openCamera() {
  filter.stop();
  if (!Camera.offered) {
    tell(word("no_camera"));
    return false;
  }
  try {
    $("flip").hidden = (await camera.open()) < 2;
    nextPhoto();
    show("camera");
    tell(word("guide"));
    return true;
  } catch (error) {
    if (error.name === "AbortError") return null;
    tell(word(error.name === "NotAllowedError" ? "no_camera" : "camera_busy"));
    return false;
  }
}

/** The photo before is done with: no answer to it comes any more, and what was agreed to for it is over. */
function nextPhoto() {
  request?.abort();
  view.removeAttribute("aria-busy");
  if (photo && $("keep")) $("keep").checked = false;
  photo = null;
  kept = false;
}

async function flip() {
  try {
    await camera.flip();
  } catch (error) {
    if (error.name === "AbortError") return;
    filter.stop();
    camera.close();
    show("empty");
    tell(word("camera_busy"));
  }
}

async function take() {
  if (view.dataset.state !== "camera") {
    if ((await openCamera()) === false) $("file").click();
    return;
  }
  if (counting || !(await countDown())) return;
  try {
    const taken = camera.photo();
    camera.close();
    usePhoto(taken);
  } catch {
    tell(word("camera_busy"));
  }
}

/** Three, two, one; false where the visitor did something else meanwhile. */
async function countDown() {
  counting = $("flip").disabled = true;
  try {
    for (let n = 3; n > 0; n -= 1) {
      $("count").textContent = n;
      tell(word("countdown", { n }));
      await new Promise((resolve) => setTimeout(resolve, 1000));
      if (view.dataset.state !== "camera") return false;
    }
    return true;
  } finally {
    counting = $("flip").disabled = false;
    $("count").textContent = "";
  }
}

async function toggleLive() {
  if (view.dataset.state === "live") {
    filter.stop();
    show("camera");
    tell(word("guide"));
    return;
  }
  if (view.dataset.state !== "camera" && !(await openCamera())) return;
  show("live");
  tell(word("live"));
  filter.start(styles());
}

// Photo to drawing

async function useFile(file) {
  try {
    const read = await readPhoto(file);
    filter.stop();
    camera.close();
    nextPhoto();
    usePhoto(read);
  } catch {
    nextPhoto();
    show("empty");
    tell(word("unreadable"));
  }
}

/** Those of the chosen styles that were withdrawn meanwhile go, and the next one is chosen. */
async function forgetWithdrawn() {
  for (const ref of new Set([chosen()?.value, $("second").value])) {
    if (!ref) continue;
    const answer = await fetch(`/api/v1/styles/${encodeURIComponent(ref)}`).catch(() => null);
    if (answer?.status === 403 || answer?.status === 404) forget(ref);
  }
}

function forget(ref) {
  for (const option of [...$("second").options]) if (option.value === ref) option.remove();
  for (const input of document.querySelectorAll("input[name=style]")) {
    if (input.value === ref) input.closest(".card").remove();
  }
  const next = chosen() ?? document.querySelector("input[name=style]");
  if (next) next.checked = true;
}

function usePhoto(canvas) {
  photo = canvas;
  show("drawing");
  draw();
}

async function draw() {
  if (!photo) return;
  request?.abort();
  request = new AbortController();
  const { signal } = request;
  const form = new FormData();
  for (const style of styles()) form.append("style", style);
  form.append("crop", $("crop").value);
  form.append("background", $("background").value);
  form.append("size", SIZE);
  const keep = Boolean($("keep")?.checked) && !kept;
  if (keep) form.append("keep", "1");
  if (view.dataset.state !== "result") {
    // A drawing that is there keeps its own part of the photo until the next one has come.
    show("drawing");
    showBefore([0, 0, 1, 1]);
  }
  tell(word("drawing"));
  view.setAttribute("aria-busy", "true");
  try {
    form.append("photo", await toBlob(photo), "photo.jpg");
    const waiting = (n) => tell(word("wait", { n }));
    const answer = await send("/api/v1/stylize", form, { signal, waiting });
    const blob = await answer.blob();
    if (signal.aborted) return;
    // Once for a photo, however often the style is changed.
    kept ||= keep;
    await showDrawing(blob, answer.headers, signal);
  } catch (error) {
    if (error.name !== "AbortError") {
      tell(error.message);
      if (view.dataset.state === "drawing") show("empty");
      if (error.status === 403 || error.status === 404) await forgetWithdrawn();
    }
  } finally {
    if (request?.signal === signal) view.removeAttribute("aria-busy");
  }
}

/** The part of the photo that was drawn, as large as the drawing is shown. */
function showBefore([left, top, right, bottom]) {
  const canvas = $("before");
  const width = (right - left) * photo.width;
  const height = (bottom - top) * photo.height;
  canvas.width = Math.round(width);
  canvas.height = Math.round(height);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#888";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(photo, -left * photo.width, -top * photo.height);
}

async function showDrawing(blob, headers, signal) {
  if (drawing) URL.revokeObjectURL(drawing.url);
  drawing = { blob, url: URL.createObjectURL(blob) };
  const picture = $("after");
  picture.src = drawing.url;
  picture.alt = word("result_alt", { style: styleName() });
  await picture.decode();
  if (signal.aborted) return;
  showBefore(headers.get("X-Box").split(",").map(Number));
  view.style.setProperty("--ratio", `${picture.naturalWidth} / ${picture.naturalHeight}`);
  $("save").href = drawing.url;
  const file = new File([blob], "portrait.png", { type: blob.type });
  $("share").hidden = !navigator.canShare?.({ files: [file] });
  show("result");
  divide();
  const seconds = Number(headers.get("X-Seconds")).toFixed(1);
  const said = word("drawn", { style: styleName(), seconds });
  tell(headers.get("X-Faces") === "0" && $("crop").value !== "whole" ? `${said}. ${word("no_face")}` : said);
}

const divide = () => view.style.setProperty("--cut", `${$("slider").value}%`);

// What can be done with it

async function share() {
  const file = new File([drawing.blob], "portrait.png", { type: drawing.blob.type });
  await navigator.share({ files: [file] }).catch(() => {});
}

async function pdf() {
  const form = new FormData();
  form.append("drawing", drawing.blob, "portrait.png");
  form.append("paper", "10x15");
  try {
    const answer = await send("/api/v1/print", form, { waiting: (n) => tell(word("wait", { n })) });
    const url = URL.createObjectURL(await answer.blob());
    const link = Object.assign(document.createElement("a"), { href: url, download: "portrait.pdf" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    tell(error.message);
  }
}

// Changes of the style draw again; sliders when they are let go.

function restyle() {
  $("mixrow").hidden = !$("second").value;
  $("mixname").textContent = word("share_of", { style: $("second").value });
  if (view.dataset.state === "live") filter.change(styles());
  else if (view.dataset.state !== "camera") draw();
}

for (const name of ["strength", "mix"]) {
  $(name).addEventListener("input", () => ($(`${name}value`).textContent = $(name).value));
}
for (const id of ["strength", "mix", "second", "crop", "background"]) $(id).addEventListener("change", restyle);
$("strip").addEventListener("change", restyle);
$("take").addEventListener("click", take);
$("flip").addEventListener("click", flip);
$("livebutton").addEventListener("click", toggleLive);
$("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) useFile(file);
});
$("slider").addEventListener("input", divide);
$("share").addEventListener("click", share);
$("print").addEventListener("click", () => print());
$("pdf").addEventListener("click", pdf);
filter.stopped = () => view.dataset.state === "live" && show("camera");
acceptPictures(useFile);

// Dragging over the picture moves the slider too, also beyond its edge.
view.addEventListener("pointerdown", (event) => {
  if (view.dataset.state === "result" && event.pointerType === "mouse") view.setPointerCapture(event.pointerId);
});
view.addEventListener("pointermove", (event) => {
  if (view.dataset.state !== "result" || !(event.buttons & 1)) return;
  const box = view.getBoundingClientRect();
  $("slider").value = (100 * (event.clientX - box.left)) / box.width;
  divide();
});

// Styles that are not on the page are looked for.

function addStyle(style, select = false) {
  let input = [...document.querySelectorAll("input[name=style]")].find((one) => one.value === style.ref);
  if (!input) {
    const card = document.querySelector("#strip .card").cloneNode(true);
    input = card.querySelector("input");
    input.value = style.ref;
    input.dataset.kind = style.kind;
    input.checked = false;
    card.querySelector("img").src = style.preview;
    card.querySelector("span").textContent = style.ref;
    $("strip").prepend(card);
    if (style.kind !== "base") $("second").append(new Option(style.ref));
  }
  if (select) {
    input.checked = true;
    input.scrollIntoView({ block: "nearest", inline: "center" });
  }
}

let looking;
$("find")?.addEventListener("input", () => {
  clearTimeout(looking);
  looking = setTimeout(async () => {
    const words = $("find").value.trim();
    if (!words) return;
    const answer = await fetch(`/api/v1/styles?limit=12&q=${encodeURIComponent(words)}`);
    if (!answer.ok) return;
    const { styles: found } = await answer.json();
    found.reverse().forEach((style) => addStyle(style));
    $("strip").scrollTo({ left: 0, behavior: "smooth" });
  }, 250);
});

const wanted = new URLSearchParams(location.search).get("style");
if (wanted) {
  fetch(`/api/v1/styles/${encodeURIComponent(wanted)}`)
    .then((answer) => (answer.ok ? answer.json() : null))
    .then((style) => style && addStyle(style, true));
}
show("empty");

// One photo in several styles, side by side; the drawings come one after another.

import { $, acceptPictures, readPhoto, send, toBlob, word } from "./common.js";

const MOST = 6;
let photo = null;
let request = null;

const boxes = () => [...document.querySelectorAll("input[name=style]")];

function limit() {
  const chosen = boxes().filter((box) => box.checked).length;
  for (const box of boxes()) box.disabled = !box.checked && chosen >= MOST;
}

function figure(caption, picture) {
  const made = document.createElement("figure");
  const text = document.createElement("figcaption");
  text.textContent = caption;
  made.append(picture, text);
  return made;
}

async function compare() {
  if (!photo) return;
  request?.abort();
  request = new AbortController();
  const { signal } = request;
  const results = $("results");
  for (const old of results.querySelectorAll("img")) URL.revokeObjectURL(old.src);
  results.replaceChildren(figure(word("photo_alt"), photo));
  const blob = await toBlob(photo);
  let failed = "";
  for (const box of boxes().filter((one) => one.checked)) {
    const form = new FormData();
    if (box.dataset.kind !== "base") form.append("style", box.value);
    form.append("crop", "face");
    form.append("size", 384);
    form.append("photo", blob, "photo.jpg");
    if (!failed) $("status").textContent = word("drawing");
    try {
      const answer = await send("/api/v1/stylize", form, {
        signal,
        waiting: (n) => ($("status").textContent = word("wait", { n })),
      });
      const picture = new Image();
      picture.src = URL.createObjectURL(await answer.blob());
      const name = box.dataset.kind === "base" ? word("base_style") : box.value;
      picture.alt = word("result_alt", { style: name });
      await picture.decode();
      if (signal.aborted) return;
      results.append(figure(name, picture));
    } catch (error) {
      if (error.name === "AbortError") return;
      failed = error.message;
      $("status").textContent = failed;
    }
  }
  $("status").textContent = failed;
}

async function use(file) {
  try {
    photo = await readPhoto(file, 1024);
    await compare();
  } catch {
    $("status").textContent = word("unreadable");
  }
}

boxes()
  .slice(0, 3)
  .forEach((box) => (box.checked = true));
limit();
$("strip").addEventListener("change", () => {
  limit();
  compare();
});
$("file").addEventListener("change", (event) => event.target.files[0] && use(event.target.files[0]));
acceptPictures(use);

// What all pages share: words, the language, photos made small, requests and their problems.

const said = JSON.parse(document.getElementById("words").textContent);

/** A text of the page with its {places} filled in. */
export function word(key, places = {}) {
  return Object.entries(places).reduce((text, [name, value]) => text.replace(`{${name}}`, value), said[key]);
}

export const $ = (id) => document.getElementById(id);

document.getElementById("language").addEventListener("change", (event) => {
  document.cookie = `lang=${event.target.value}; path=/; max-age=31536000; samesite=lax`;
  location.reload();
});

/** A canvas with a picture file, upright, its longer side at most `most` px; rejects what is no picture. */
export async function readPhoto(file, most = 1600) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The picture file of a canvas; rejects one without pixels, which is what a camera gives as it changes. */
export const toBlob = (canvas, type = "image/jpeg", quality = 0.92) =>
  new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(word("camera_busy")))), type, quality);
  });

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Parts of a message as sentences. */
export function sentences(...parts) {
  const said = parts.filter(Boolean).map((part) => part[0].toUpperCase() + part.slice(1));
  return said.map((part) => (/[.。!?]$/.test(part) ? part : `${part}.`)).join(" ");
}

/** Sends a form; waits and tries again where the booth is busy, and throws the problem's own words. */
export async function send(path, form, { signal, waiting = () => {} } = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, { method: "POST", body: form, signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error(word("offline"));
    }
    if (answer.ok) return answer;
    if (answer.status === 503 && answer.headers.has("Retry-After")) {
      const seconds = Number(answer.headers.get("Retry-After"));
      waiting(seconds);
      await sleep(seconds);
      if (signal?.aborted) throw new DOMException("aborted", "AbortError");
      continue;
    }
    if (answer.status === 401) location.assign("/pin");
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(sentences(word("failed"), problem.detail, problem.hint)), {
      status: answer.status,
      retryAfter: Number(answer.headers.get("Retry-After") ?? 0),
    });
  }
}

/** Calls `take` with pictures that are dropped on the page or pasted into it; not with the page's own. */
export function acceptPictures(take) {
  let own = false;
  addEventListener("dragstart", () => (own = true));
  addEventListener("dragend", () => (own = false));
  const first = (list) => [...(list ?? [])].find((file) => file.type.startsWith("image/"));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    const file = first(event.dataTransfer?.files);
    if (file && !own) take(file);
  });
  addEventListener("paste", (event) => {
    const file = first(event.clipboardData?.files);
    if (file) take(file);
  });
}

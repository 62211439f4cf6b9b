// Search of the catalogue with a drawing.

import { $, acceptPictures, readPhoto, send, toBlob, word } from "./common.js";

function card(style) {
  const link = Object.assign(document.createElement("a"), { href: `/styles/${encodeURIComponent(style.ref)}` });
  const picture = Object.assign(new Image(128, 128), { src: style.preview, alt: "" });
  const name = Object.assign(document.createElement("strong"), { textContent: style.ref });
  link.append(picture, name);
  if (style.artist) link.append(Object.assign(document.createElement("span"), { textContent: style.artist }));
  const item = document.createElement("li");
  item.append(link);
  return item;
}

async function search(file) {
  const status = $("status");
  status.textContent = word("searching");
  try {
    const form = new FormData();
    form.append("picture", await toBlob(await readPhoto(file, 768), "image/png"), "drawing.png");
    const answer = await send("/api/v1/search", form, { waiting: (n) => (status.textContent = word("wait", { n })) });
    const { styles, total } = await answer.json();
    $("cards").replaceChildren(...styles.map(card));
    $("pages").replaceChildren();
    status.textContent = total ? word("found", { n: total }) : word("nothing_found");
  } catch (error) {
    status.textContent = error.message;
  }
}

if ($("drawing")) {
  $("drawing").addEventListener("change", (event) => event.target.files[0] && search(event.target.files[0]));
  acceptPictures(search);
}

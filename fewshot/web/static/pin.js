// The door.

import { $, word } from "./common.js";

$("pinform").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData($("pinform"));
  const answer = await fetch("/api/v1/pin", { method: "POST", body: form }).catch(() => null);
  if (answer?.ok) {
    location.assign("/");
    return;
  }
  const seconds = answer?.headers.get("Retry-After");
  $("pinstatus").textContent = !answer
    ? word("offline")
    : seconds
      ? word("pin_wait", { n: seconds })
      : word("pin_wrong");
  $("pin").select();
});

// The live filter: one frame on its way at a time, as large as the booth keeps up with.

import { sentences, toBlob, word } from "./common.js";

const SIDES = [128, 160, 192, 256];
const SLOW = 140; // ms for a frame above which the next one is smaller
const FAST = 70;

export class LiveFilter {
  constructor(camera, canvas, status, speed) {
    Object.assign(this, { camera, canvas, status, speed, frames: 0, rate: 0 });
    this.frame = document.createElement("canvas");
    this.step = SIDES.length - 1;
  }

  start(styles) {
    this.styles = styles;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/api/v1/live`);
    this.socket.binaryType = "blob";
    this.socket.onopen = () => {
      this.change(this.styles);
      this.since = performance.now();
      this.send();
    };
    const socket = this.socket;
    socket.onmessage = (event) => this.show(event.data);
    socket.onclose = (event) => {
      // One that was stopped for another is not the page's any more.
      if (this.socket !== socket) return;
      if (event.code >= 4000) this.status(event.reason);
      this.speed("");
      this.stopped?.();
    };
  }

  /** Other styles from the next frame on. */
  change(styles) {
    this.styles = styles;
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ styles }));
  }

  stop() {
    const socket = this.socket;
    this.socket = null;
    this.speed("");
    socket?.close();
  }

  async send() {
    this.camera.square(this.frame, SIDES[this.step]);
    const blob = await toBlob(this.frame, "image/jpeg", 0.85).catch(() => null);
    // As another camera is opened there is nothing to send for a moment.
    if (!blob) return void setTimeout(() => this.socket && this.send(), 200);
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.sent = performance.now();
    this.socket.send(blob);
  }

  async show(data) {
    if (typeof data === "string") {
      const problem = JSON.parse(data);
      this.status(sentences(problem.detail, problem.hint));
      // What was wrong with a change of style is no answer to a frame, which is still on its way.
      if (problem.frame) setTimeout(() => this.send(), 1000);
      return;
    }
    const took = performance.now() - this.sent;
    // The next frame is on its way while this one is shown.
    this.adapt(took);
    this.send();
    const picture = await createImageBitmap(data);
    this.canvas.width = picture.width;
    this.canvas.height = picture.height;
    this.canvas.getContext("2d").drawImage(picture, 0, 0);
    this.count();
  }

  adapt(took) {
    if (took > SLOW && this.step > 0) this.step -= 1;
    if (took < FAST && this.step < SIDES.length - 1) this.step += 1;
  }

  count() {
    this.frames += 1;
    const seconds = (performance.now() - this.since) / 1000;
    if (seconds < 1) return;
    this.rate = this.frames / seconds;
    this.frames = 0;
    this.since = performance.now();
    this.canvas.dataset.rate = this.rate.toFixed(1);
    this.speed(word("frames", { n: Math.round(this.rate) }));
  }
}

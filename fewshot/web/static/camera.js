// The camera of the device: one stream, front or back, and pictures of it.

export class Camera {
  constructor(video) {
    this.video = video;
    this.facing = "user";
    this.stream = null;
  }

  /** Whether the page may ask for a camera at all: browsers offer it to https and to localhost. */
  static get offered() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get mirrored() {
    return this.facing === "user";
  }

  /** Shows it, and tells how many there are. Whoever opens or closes it meanwhile has it: AbortError. */
  async open(facing = this.facing) {
    this.close();
    const opening = this.opening;
    const size = { width: { ideal: 1280 }, height: { ideal: 960 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: facing, ...size } });
    if (this.opening !== opening) {
      stream.getTracks().forEach((track) => track.stop());
      throw new DOMException("another one was opened", "AbortError");
    }
    this.stream = stream;
    this.facing = facing;
    this.video.srcObject = stream;
    await this.video.play();
    this.video.dataset.mirrored = this.mirrored;
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter((device) => device.kind === "videoinput").length;
  }

  async flip() {
    return this.open(this.mirrored ? "environment" : "user");
  }

  close() {
    this.opening = Symbol("opening");
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
  }

  /** The square that the page shows, as the visitor sees it. */
  photo(most = 1600) {
    const canvas = document.createElement("canvas");
    const side = Math.min(most, this.video.videoWidth, this.video.videoHeight);
    if (!side) throw new Error("the camera shows nothing yet");
    this.square(canvas, side);
    return canvas;
  }

  /** The square in the middle, drawn into a canvas of `side` px. */
  square(canvas, side) {
    const { videoWidth: width, videoHeight: height } = this.video;
    const cut = Math.min(width, height);
    canvas.width = canvas.height = side;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    if (this.mirrored) {
      pen.translate(side, 0);
      pen.scale(-1, 1);
    }
    pen.drawImage(this.video, (width - cut) / 2, (height - cut) / 2, cut, cut, 0, 0, side, side);
  }
}

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

  async open() {
    this.close();
    const size = { width: { ideal: 1280 }, height: { ideal: 960 } };
    this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: this.facing, ...size } });
    this.video.srcObject = this.stream;
    await this.video.play();
    this.video.dataset.mirrored = this.mirrored;
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter((device) => device.kind === "videoinput").length;
  }

  async flip() {
    this.facing = this.mirrored ? "environment" : "user";
    return this.open();
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
  }

  /** The square that the page shows, as the visitor sees it. */
  photo(most = 1600) {
    const canvas = document.createElement("canvas");
    this.square(canvas, Math.min(most, this.video.videoWidth, this.video.videoHeight));
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

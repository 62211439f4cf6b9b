"""Writing videos: frames at their times, and the sound of the file they come from.

`.mp4` is H.264 with the sound copied or, where MP4 cannot hold it, as AAC; `.webm` is VP9 and Opus; `.gif`
has no sound and a palette for each frame. `.mkv` is for streams: H.264 that is sent out frame by frame.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from fewshot.inference.video_files import Frame, FrameSource, Pixels, load_av

_COPIED = {".mp4": ("aac", "mp3float", "mp3", "alac"), ".webm": ("opus", "vorbis"), ".gif": (), ".mkv": ()}
"""Kinds of sound that a file of that ending holds as they are."""
_SOUND = {".mp4": "aac", ".webm": "libopus"}
_VIDEO: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("libx264", {"crf": "18", "preset": "veryfast", "bf": "0"}),
    ".webm": (
        "libvpx-vp9",
        {"crf": "30", "b:v": "0", "deadline": "realtime", "cpu-used": "7", "row-mt": "1"},
    ),
    ".gif": ("gif", {}),
    ".mkv": ("libx264", {"crf": "20", "preset": "ultrafast", "tune": "zerolatency", "bf": "0"}),
}
_FORMATS = {".mp4": "mp4", ".webm": "webm", ".gif": "gif", ".mkv": "matroska"}
_BT709, _LIMITED = 1, 1
"""Colour space, primaries and transfer, and range of 16 to 235 (ITU-T H.273)."""
_LEAST_DELAY = 2
"""Hundredths of a second: browsers show shorter delays of a GIF as a tenth."""


class Sink(Protocol):
    """Where a stream goes."""

    def write(self, data: bytes) -> int:
        """Take some of it."""
        ...


class VideoWriter:
    """Writes frames at their times, and the sound of a reader.

    Args:
        file: the file, of any name, or where a stream goes.
        reader: whose sound and rate it takes.
        suffix: one of `WRITABLE`, the kind of file, or `.mkv` for a stream.
    """

    def __init__(self, file: Path | Sink, reader: FrameSource, suffix: str) -> None:
        self._av = load_av()
        self._kind, self._reader = suffix, reader
        target = str(file) if isinstance(file, Path) else file
        options = {"flush_packets": "1"} if suffix == ".mkv" else {}
        self._file = self._av.open(target, "w", format=_FORMATS[suffix], options=options)
        self._base = Fraction(1, 100) if suffix == ".gif" else Fraction(1, 90_000)
        self._last, self._lasts = -1, 0
        self._held: Any = None
        self._size: tuple[int, int] | None = None
        self._video: Any = None
        self._sound: Any = None
        self._resampler: Any = None
        self._waiting: list[Any] = []
        self.frames = 0

    def _open(self, pixels: Pixels) -> None:
        """Streams of the first frame's size; a file's header holds it, so sound has to wait for it."""
        height, width = pixels.shape[:2]
        # H.264 and VP9 store colour at half the size.
        self._size = (height + height % 2, width + width % 2) if self._kind != ".gif" else (height, width)
        codec, options = _VIDEO[self._kind]
        self._video = self._file.add_stream(codec, rate=self._reader.rate, options=options)
        self._video.height, self._video.width = self._size
        self._video.pix_fmt = "pal8" if self._kind == ".gif" else "yuv420p"
        self._video.codec_context.time_base = self._base
        if self._kind != ".gif":
            # Untagged, players take small pictures for BT.601 and large ones for BT.709.
            context = self._video.codec_context
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED
        if self._reader.aspect and self._kind != ".gif":
            self._video.codec_context.sample_aspect_ratio = self._reader.aspect
        self._sound = self._add_sound()
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            self.write_sound(packet)

    def _add_sound(self) -> Any:
        sound = self._reader.sound
        if sound is None or self._kind == ".gif":
            return None
        if sound.codec_context.name in _COPIED[self._kind]:
            return self._file.add_stream_from_template(sound)
        return self._file.add_stream(_SOUND[self._kind], rate=48_000)

    def write(self, frame: Frame) -> None:
        """Add a frame; all of them have the size of the first."""
        if self._size is None:
            self._open(frame.pixels)
        tick = round(frame.time / self._base)
        if self._kind == ".gif" and self.frames and tick < self._last + _LEAST_DELAY:
            return
        made = self._converted(frame.pixels)
        # Two frames at one time would be refused; a later one is shown a tick later.
        made.pts = max(self._last + 1, tick)
        made.time_base = self._base
        made.duration = self._lasts = round(frame.duration / self._base)
        self._last = made.pts
        self._mux_video(self._video.encode(made))
        self.frames += 1

    def _converted(self, pixels: Pixels) -> Any:
        assert self._size is not None
        missing = [want - have for want, have in zip(self._size, pixels.shape[:2], strict=True)]
        if any(missing):
            pixels = np.pad(pixels, ((0, max(0, missing[0])), (0, max(0, missing[1])), (0, 0)), mode="edge")
            pixels = pixels[: self._size[0], : self._size[1]]
        if self._kind != ".gif":
            made = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            return made.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED)
        indexed = Image.fromarray(pixels).quantize(256, dither=Image.Dither.NONE)
        palette = np.zeros((256, 4), np.uint8)
        colours = np.asarray(indexed.getpalette(), np.uint8).reshape(-1, 3)
        palette[: len(colours), 1:], palette[:, 0] = colours, 255
        return self._av.VideoFrame.from_ndarray((np.asarray(indexed), palette), format="pal8")

    def write_sound(self, packet: Any) -> None:
        """Add a packet of the reader's sound."""
        if self._size is None:
            self._waiting.append(packet)
            return
        if self._sound is None or self._reader.sound is None:
            return
        if self._sound.codec_context.name == self._reader.sound.codec_context.name:
            if packet.dts is not None:
                packet.stream = self._sound
                self._file.mux(packet)
            return
        with contextlib.suppress(self._av.error.InvalidDataError):
            for frame in packet.decode():
                self._encode_sound(frame)

    def _encode_sound(self, frame: Any) -> None:
        if self._resampler is None:
            context = self._sound.codec_context
            self._resampler = self._av.AudioResampler(
                format=context.format or "fltp", layout=context.layout, rate=context.sample_rate,
                frame_size=context.frame_size or None,
            )  # fmt: skip
        for part in self._resampler.resample(frame):
            self._mux(self._sound.encode(part))

    def close(self) -> None:
        """Write what is left and the file's index; without a frame there is no file to speak of."""
        if self._size is not None:
            self._mux_video(self._video.encode(None), last=True)
            if self._resampler is not None:
                self._encode_sound(None)
                self._mux(self._sound.encode(None))
        self._file.close()

    def _mux_video(self, packets: list[Any], *, last: bool = False) -> None:
        """Write packets, one behind: how long the last frame is shown is told by nothing that follows."""
        if self._held is not None:
            packets = [self._held, *packets]
        self._held = None if last or not packets else packets[-1]
        for packet in packets[: None if last else -1]:
            if last and packet is packets[-1] and self._lasts:
                packet.duration = round(self._lasts * self._base / packet.time_base)
            self._file.mux(packet)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self._file.mux(packet)

"""Video files, frame by frame: read upright with their times, written with the same times and the same sound.

PyAV (FFmpeg) does the work; it comes with the extra `video`. `.mp4` is H.264 with the sound copied or, where
MP4 cannot hold it, as AAC; `.webm` is VP9 and Opus; `.gif` has no sound and a palette for each frame.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.errors import BadInputError, NotFoundError, UsageError

Pixels = NDArray[np.uint8]

VIDEO_SUFFIXES = (".mp4", ".webm", ".gif", ".mov", ".mkv", ".avi", ".m4v")
"""Endings that are read as videos; those of `WRITABLE` can be written."""
WRITABLE = (".mp4", ".webm", ".gif")

_COPIED = {".mp4": ("aac", "mp3float", "mp3", "alac"), ".webm": ("opus", "vorbis"), ".gif": ()}
"""Kinds of sound that a file of that ending holds as they are."""
_SOUND = {".mp4": "aac", ".webm": "libopus"}
_VIDEO: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("libx264", {"crf": "18", "preset": "veryfast", "bf": "0"}),
    ".webm": (
        "libvpx-vp9",
        {"crf": "30", "b:v": "0", "deadline": "realtime", "cpu-used": "7", "row-mt": "1"},
    ),
    ".gif": ("gif", {}),
}
_LARGEST = 3840 * 2160
_HINT = "give an .mp4, .webm or .gif file"
_LEAST_DELAY = 2
"""Hundredths of a second: browsers show shorter delays of a GIF as a tenth."""


def is_video(source: Path, target: Path) -> bool:
    """Whether a source is a video: by its ending, and for a GIF by that of what is made of it."""
    suffix = source.suffix.lower()
    return suffix in VIDEO_SUFFIXES and (suffix != ".gif" or target.suffix.lower() in WRITABLE)


@dataclass(frozen=True)
class Frame:
    """One frame of a video."""

    pixels: Pixels
    """`(H, W, 3)` RGB, upright."""
    time: Fraction
    """Seconds from the start of the file."""
    duration: Fraction = Fraction(0)
    """Seconds that it is shown; 0 where the file does not say."""


class VideoReader:
    """Frames and sound of a file, in the order they lie in it.

    Attributes:
        frames: how many the file says it has; 0 where it does not.
        rate: frames a second, on average.
        aspect: width of a pixel over its height; None where the file does not say.
        problem: what ended the reading early, in words; empty at the proper end.

    Raises:
        BadInputError: no video, or a damaged one.
        UsageError: PyAV is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.problem = path, ""
        self._av = _load_av()
        if not path.exists():
            raise NotFoundError(f"{path}: no such file", "check the path and its spelling")
        try:
            self._file = self._av.open(str(path), metadata_errors="replace")
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise BadInputError(f"{path}: no video that can be read ({error!s:.80})", _HINT) from None
        if not self._file.streams.video:
            self._file.close()
            raise BadInputError(f"{path}: there is no picture in it, only sound", _HINT)
        self._video = self._file.streams.video[0]
        if self._video.width * self._video.height > _LARGEST:
            self._file.close()
            raise BadInputError(
                f"{path}: frames of {self._video.width}x{self._video.height} px; expected 3840x2160 at most",
                "scale it down first",
            )
        self._video.thread_type = "AUTO"
        self.sound = next(iter(self._file.streams.audio), None)
        self.frames = int(self._video.frames or 0)
        self.rate = self._video.average_rate or Fraction(25)
        self.aspect: Fraction | None = self._video.sample_aspect_ratio

    def __iter__(self) -> Iterator[Frame | Any]:
        """Frames, and between them packets of sound."""
        streams = [stream for stream in (self._video, self.sound) if stream is not None]
        count = packets = 0
        try:
            for packet in self._file.demux(*streams):
                if packet.stream is self.sound:
                    yield packet
                    continue
                packets += packet.size > 0
                for frame in packet.decode():
                    yield self._upright(frame, count)
                    count += 1
        except self._av.error.FFmpegError as error:
            self.problem = f"damaged after {count} frames ({error!s:.60})"
        # Packets and not frames: a file may hold more than it shows.
        if not self.problem and self.frames and packets < self.frames:
            self.problem = f"ends after {packets} of {self.frames} frames"

    def _upright(self, frame: Any, number: int) -> Frame:
        pixels = frame.to_ndarray(format="rgb24")
        # FFmpeg's angle is counter-clockwise, by which the picture is to be turned.
        turns = round(getattr(frame, "rotation", 0) / 90) % 4
        if turns:
            pixels = np.ascontiguousarray(np.rot90(pixels, turns))
            if turns % 2 and self.aspect and not number:
                self.aspect = 1 / self.aspect
        if frame.pts is None or frame.time_base is None:
            return Frame(pixels, number / self.rate)
        return Frame(pixels, frame.pts * frame.time_base, (frame.duration or 0) * frame.time_base)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class VideoWriter:
    """Writes frames at their times, and the sound of a reader.

    Args:
        path: the file, of any name.
        reader: whose sound and rate it takes.
        suffix: one of `WRITABLE`, the kind of file.
    """

    def __init__(self, path: Path, reader: VideoReader, suffix: str) -> None:
        self._av = _load_av()
        self._kind, self._reader = suffix, reader
        self._file = self._av.open(str(path), "w", format=suffix.removeprefix("."))
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
            return self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
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


def _load_av() -> Any:
    try:
        import av
    except ImportError:
        raise UsageError(
            "videos need PyAV, which is not installed", "install it: pip install 'fewshot-style[video]'"
        ) from None
    return av

"""Video files, frame by frame: read upright, with their times, and with their sound as packets.

PyAV (FFmpeg) does the work; it comes with the extra `video`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import BadInputError, NotFoundError, UsageError

Pixels = NDArray[np.uint8]

VIDEO_SUFFIXES = (".mp4", ".webm", ".gif", ".mov", ".mkv", ".avi", ".m4v")
"""Endings that are read as videos; those of `WRITABLE` can be written."""
WRITABLE = (".mp4", ".webm", ".gif")

_LARGEST = 3840 * 2160
_HDR = (16, 18)
"""Transfer functions PQ and HLG (ITU-T H.273)."""
_HINT = "give an .mp4, .webm or .gif file"


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


class FrameSource(Protocol):
    """What frames come from: a file or a camera."""

    frames: int
    """How many there are; 0 where that is not known."""
    rate: Fraction
    """Frames a second."""
    aspect: Fraction | None
    """Width of a pixel over its height."""
    sound: Any
    """PyAV's stream of sound, or None."""
    problem: str
    """What ended it early."""

    def __iter__(self) -> Iterator[Frame | Any]:
        """Frames, and between them packets of sound."""
        ...


class VideoReader:
    """Frames and sound of a file, in the order they lie in it.

    Attributes:
        frames: how many the file says it has; 0 where it does not.
        rate: frames a second, on average.
        aspect: width of a pixel over its height; None where the file does not say.
        problem: what ended the reading early, in words; empty at the proper end.
        is_hdr: whether its light goes beyond white; it is read as if it did not.

    Raises:
        BadInputError: no video, or a damaged one.
        UsageError: PyAV is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.problem = path, ""
        self._av = load_av()
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
        self.is_hdr = self._video.codec_context.color_trc in _HDR
        self._start = self._started()
        self._now = Fraction(-1)
        self.aspect: Fraction | None = self._video.sample_aspect_ratio

    def __iter__(self) -> Iterator[Frame | Any]:
        """Frames, and between them packets of sound."""
        streams = [stream for stream in (self._video, self.sound) if stream is not None]
        count = packets = 0
        try:
            for packet in self._file.demux(*streams):
                if packet.stream is self.sound:
                    yield self._from_start(packet)
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
        # AVI numbers frames as they are stored, which is not as they are shown.
        if frame.pts is None or frame.time_base is None or "avi" in self._file.format.name.split(","):
            return Frame(pixels, number / self.rate)
        time = frame.pts * frame.time_base - self._start
        self._now = time if time > self._now else self._now + 1 / self.rate
        return Frame(pixels, self._now, (frame.duration or 0) * frame.time_base)

    def _started(self) -> Fraction:
        """Seconds at which the file's clock starts: that of a cut-out or of a recorder's part is not at 0."""
        return max(Fraction(0), Fraction(self._file.start_time or 0, self._av.time_base))

    def _from_start(self, packet: Any) -> Any:
        if self._start and packet.time_base:
            back = round(self._start / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - back
            packet.dts = None if packet.dts is None else packet.dts - back
        return packet

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def load_av() -> Any:
    try:
        import av
    except ImportError:
        raise UsageError(
            "videos need PyAV, which is not installed", "install it: pip install 'fewshot-style[video]'"
        ) from None
    return av

"""A camera as a video without an end: always its newest picture, and the time at which that was taken.

OpenCV opens it, with V4L2, AVFoundation or DirectShow. What is drawn from it is recorded in a file, or goes
to standard output as a Matroska stream that a player shows at once.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fewshot.errors import BadInputError, NotFoundError
from fewshot.files import temporary_beside
from fewshot.inference.outputs import STREAM
from fewshot.inference.video import INTERRUPTED, check_target, draw_frames
from fewshot.inference.video_files import Frame, Pixels
from fewshot.inference.video_writer import VideoWriter

if TYPE_CHECKING:
    from fewshot.inference.video import FrameDrawer, VideoResult

STREAMED = ".mkv"
"""What standard output gets: Matroska can be played while it is being written."""

_LAST = 2**31 - 1
"""Largest number that OpenCV takes for a camera."""
_PATIENCE = 5.0
"""Seconds without a picture after which a camera counts as gone."""


class Camera:
    """The newest pictures of a camera, each once, for as long as it delivers.

    A thread empties the camera, so that what is read is what is seen now, however long the drawing of the
    picture before took: a picture that nobody had time for is dropped.

    Args:
        source: number of the camera, 0 for the first, or its device, its address, or a video that stands in
            for one and is played at its own speed.
        limit: seconds after which it ends; None for as long as it delivers.

    Attributes:
        rate: frames a second at most, as the camera says.
        problem: what ended it, in words; empty when `limit` did.

    Raises:
        NotFoundError: there is no such camera, or it is in use.
    """

    sound: Any = None
    aspect: Fraction | None = None
    frames = 0

    def __init__(self, source: str, limit: float | None = None) -> None:
        self._limit, self.problem = limit, ""
        # What OpenCV writes of a camera that is not there is no use to anybody.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        number = int(source) if source.isdecimal() else None
        self._camera = cv2.VideoCapture(source if number is None else min(number, _LAST))
        if not self._camera.isOpened():
            raise NotFoundError(
                f"camera {source}: there is none, or another program uses it",
                "the first camera is 0, the next one 1; close other programs that show it",
            )
        # One picture waits at most; not every driver listens.
        self._camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        told = self._camera.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(round(told) if 1 <= told <= 240 else 30)
        self._pause = float(1 / self.rate) if self._camera.get(cv2.CAP_PROP_FRAME_COUNT) > 0 else 0
        self._fresh = threading.Condition()
        self._newest: tuple[Pixels, float] | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._empty, name="camera", daemon=True)
        self._thread.start()

    def _empty(self) -> None:
        due = time.monotonic()
        while not self._ended:
            due += self._pause
            time.sleep(max(0, due - time.monotonic()))
            there, picture = self._camera.read()
            with self._fresh:
                if there and not self._ended:
                    self._newest = np.asarray(picture[..., ::-1], np.uint8), time.monotonic()
                else:
                    self._ended = True
                self._fresh.notify()

    def __iter__(self) -> Iterator[Frame]:
        """Pictures with the seconds since the first one."""
        start: float | None = None
        while True:
            with self._fresh:
                came = self._fresh.wait_for(lambda: self._newest is not None or self._ended, _PATIENCE)
                newest, self._newest = self._newest, None
            if newest is None:
                self.problem = "the camera has ended" if came else f"no picture for {_PATIENCE:g} s"
                return
            pixels, now = newest
            start = now if start is None else start
            if self._limit is not None and now - start >= self._limit:
                return
            yield Frame(np.ascontiguousarray(pixels), Fraction(round((now - start) * 1000), 1000))

    def end(self) -> None:
        """No more pictures."""
        with self._fresh:
            self._ended, self._newest = True, None
            self._fresh.notify()

    def close(self) -> None:
        """Let the camera go."""
        self.end()
        self._thread.join(_PATIENCE)
        if not self._thread.is_alive():
            # One that hangs in the driver cannot be let go of from here; it ends with the process.
            self._camera.release()


class _Pipe:
    """Standard output; that a player is closed is the end of the show, not a failure."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera

    def write(self, data: bytes) -> int:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return len(data)
        self._camera.end()
        return len(data)


def stylize_camera(
    source: str,
    target: Path,
    drawer: FrameDrawer,
    *,
    seconds: float | None = None,
    overwrite: bool = False,
    on_frame: Callable[[int, int], None] | None = None,
) -> VideoResult:
    """Draw what a camera sees until it is interrupted, which is the proper end and no error.

    Args:
        source: as for `Camera`.
        target: a file to record in, or `-` for a stream on standard output.
        drawer: what draws.
        seconds: after which it ends by itself.
        on_frame: called with the frames done and 0.

    Raises:
        NotFoundError: no such camera.
        UsageError, ConflictError: as `stylize_video`.
        BadInputError: it delivers no picture, or nothing can be written there.
    """
    if target != STREAM:
        check_target(source, target, overwrite=overwrite)
    with contextlib.closing(Camera(source, seconds)) as camera, contextlib.ExitStack() as stack:
        if target == STREAM:
            writer = VideoWriter(_Pipe(camera), camera, STREAMED)
        else:
            writer = VideoWriter(stack.enter_context(temporary_beside(target)), camera, target.suffix.lower())
        result = draw_frames(camera, writer, drawer, on_frame)
        if not result.frames and result.problem != INTERRUPTED:
            raise BadInputError(f"camera {source}: {result.problem}", "plug it in again, or use another one")
        if not result.frames:
            raise KeyboardInterrupt
    return result

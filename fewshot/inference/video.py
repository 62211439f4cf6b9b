"""Videos: faces are followed and drawn frame by frame, steadied along the motion, and laid back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from fewshot.errors import BadInputError, ConflictError, Interrupted, UsageError
from fewshot.files import temporary_beside
from fewshot.inference.light import Light, face_light
from fewshot.inference.steadying import Steady, is_cut
from fewshot.inference.tracking import FaceTracker, Track
from fewshot.inference.video_files import WRITABLE, Frame, FrameSource, Pixels, VideoReader
from fewshot.inference.video_writer import VideoWriter
from fewshot.inference.whole import (
    Background,
    Draw,
    background_scale,
    draw_background,
    draw_one,
    lay_face,
    level_window,
)
from fewshot.output import warn

if TYPE_CHECKING:
    from fewshot.inference.detection import FaceDetector
    from fewshot.inference.engine import Engine

INTERRUPTED = "interrupted"
"""`VideoResult.problem` of a run that the user ended."""
LIGHT_SHARE = 0.05
"""Of a new frame's light in the light that a video is drawn in."""
BACKGROUND_PIXELS = 150_000
"""At which the rest of a frame is drawn, at most: a quarter of a still picture's, for speed."""


@dataclass(frozen=True)
class VideoResult:
    """What became of a video."""

    frames: int
    """Written."""
    faces: int
    """Frames in which a face was drawn."""
    size: tuple[int, int]
    """Width and height, px."""
    problem: str
    """What ended it early; empty at the proper end."""


@dataclass
class FrameDrawer:
    """Draws the frames of one video, which have to come in order."""

    engine: Engine
    """What draws."""
    detector: FaceDetector
    """What finds faces."""
    background: Background = "keep"
    """What becomes of the rest."""
    steady: bool = True
    """Whether drawings follow the motion of the video instead of being drawn one by one."""
    mend_light: bool = True
    """Whether exposure and colour cast of the largest face are brought towards what is usual."""
    _steadies: dict[int, Steady] = field(default_factory=dict)
    _before: Pixels | None = None

    def __post_init__(self) -> None:
        self.tracker = FaceTracker(self.detector)
        self.scale: float | None = None
        self.light: Light | None = None

    def draw(self, picture: Pixels, now: float) -> Pixels:
        """The drawing of a frame `(H, W, 3)` at `now` seconds."""
        small = np.asarray(cv2.cvtColor(cv2.resize(picture, (64, 48)), cv2.COLOR_RGB2GRAY), np.uint8)
        if self._before is not None and is_cut(self._before, small):
            self.tracker.forget()
            self._steadies.clear()
            self.scale = self.light = None
        self._before = small
        tracks = self.tracker.update(Image.fromarray(picture), now)
        self._look(picture, tracks)
        canvas = self._rest(picture, tracks)
        for track in reversed(tracks):
            draw = self._drawing(track.number)
            lay_face(canvas, picture, track.box, self.engine.size, draw, oval=self.background == "keep")
        kept = {track.number for track in tracks} | {0}
        self._steadies = {number: s for number, s in self._steadies.items() if number in kept}
        return canvas

    def _look(self, picture: Pixels, tracks: list[Track]) -> None:
        """Take in the light of the largest face, slowly, so that the drawing does not pulse."""
        if not tracks or not self.mend_light:
            return
        lacks = face_light(level_window(picture, tracks[0].box, self.engine.size))
        self.light = lacks if self.light is None else self.light.towards(lacks, LIGHT_SHARE)

    def _rest(self, picture: Pixels, tracks: list[Track]) -> Pixels:
        if self.scale is None:
            # Once for each scene: strokes that grow and shrink with a nodding head would swim.
            face = tracks[0].box.side if tracks else None
            self.scale = background_scale(picture, self.engine.size, face, BACKGROUND_PIXELS)
        return draw_background(picture, self._drawing(0), self.engine.multiple, self.scale, self.background)

    def _drawing(self, number: int) -> Draw:
        def draw(pixels: Pixels) -> Pixels:
            drawn = draw_one(self.engine, (self.light or Light()).mend(pixels))
            if not self.steady:
                return drawn
            return self._steadies.setdefault(number, Steady())(pixels, drawn)

        return draw


def stylize_video(
    source: Path,
    target: Path,
    drawer: FrameDrawer,
    *,
    overwrite: bool = False,
    on_frame: Callable[[int, int], None] | None = None,
) -> VideoResult:
    """Draw a video, frame for frame, with its sound.

    A damaged or truncated file ends where it can be read no further; so does a run that is interrupted: what
    was drawn until then is a whole file.

    Args:
        on_frame: called with the frames done and how many there are, 0 where that is not known.

    Raises:
        UsageError: an ending that cannot be written.
        ConflictError: the file exists.
        BadInputError: no frame can be read, or nothing can be written there.
        Interrupted: after the file is complete up to there.
    """
    suffix = check_target(source, target, overwrite=overwrite)
    with contextlib.closing(VideoReader(source)) as reader, temporary_beside(target) as temporary:
        if reader.is_hdr:
            warn(f"{source}: HDR, which is read as ordinary video: colours will be paler than on the phone")
        result = draw_frames(reader, VideoWriter(temporary, reader, suffix), drawer, on_frame)
        if not result.frames and result.problem == INTERRUPTED:
            raise KeyboardInterrupt
        if not result.frames:
            raise BadInputError(f"{source}: no frame can be read", "copy the file again")
    if result.problem == INTERRUPTED:
        raise Interrupted(
            f"interrupted after {result.frames} frames, which are in {target}",
            "draw all of it with --overwrite",
        )
    return result


def check_target(source: str | Path, target: Path, *, overwrite: bool) -> str:
    """The kind of a video that is to be written; raises where it cannot be, or is what is drawn."""
    if os.path.realpath(source) == os.path.realpath(target):
        raise ConflictError(f"{target} is the video itself", "choose another name with -o")
    suffix = target.suffix.lower()
    if suffix not in WRITABLE:
        raise UsageError(
            f"-o {target}: videos are written as {', '.join(WRITABLE)}",
            f"use -o {target.stem if target.stem != '-' else 'drawn'}.mp4",
        )
    if target.is_dir():
        raise ConflictError(f"{target} is a folder", "choose another name with -o")
    if target.exists() and not overwrite:
        raise ConflictError(f"{target} exists already", "choose another name, or add --overwrite")
    return suffix


def draw_frames(
    reader: FrameSource,
    writer: VideoWriter,
    drawer: FrameDrawer,
    on_frame: Callable[[int, int], None] | None,
) -> VideoResult:
    """Draw every frame of a source into a writer, which is closed whatever happens."""
    faces, done, size, problem = 0, 0, (0, 0), ""
    try:
        for item in reader:
            if not isinstance(item, Frame):
                writer.write_sound(item)
                continue
            drawn = drawer.draw(item.pixels, float(item.time))
            written = writer.frames
            writer.write(Frame(drawn, item.time, item.duration))
            # A GIF has no more than 50 frames a second.
            faces += bool(drawer.tracker.tracks) and writer.frames > written
            size = (drawn.shape[1], drawn.shape[0])
            done += 1
            if on_frame is not None:
                on_frame(done, reader.frames)
    except KeyboardInterrupt:
        problem = INTERRUPTED
    finally:
        writer.close()
    return VideoResult(writer.frames, faces, size, problem or reader.problem)

"""A photo as the model is to see it: which part, at which size, in which light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.data.pictures import read_picture
from fewshot.errors import BadInputError
from fewshot.inference.detection import CascadeDetector
from fewshot.inference.framing import frame, is_portrait
from fewshot.inference.levelling import head_roll
from fewshot.inference.light import face_light
from fewshot.inference.outputs import Job
from fewshot.inference.whole import LEAST_FACE, MAX_SIDE, faces_drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fewshot.inference.detection import FaceBox, FaceDetector
    from fewshot.inference.whole import Background

Crop = Literal["auto", "whole", "face", "center", "none"]
"""`whole` draws the whole picture, its faces at the model's size (`whole.py`); `face` and `center` cut a
square; `none` shows the model all of it at once; `auto` is `face` for portraits, `whole` for other
pictures with faces, and `center` where none is found. Tilted faces are drawn level by `whole` and `face`."""

MAX_ASPECT = 4.0
"""Longest side over shortest of a picture that is drawn by `none`; beyond, memory and time run away."""


@dataclass(frozen=True)
class Framing:
    """What of a photo is drawn."""

    crop: Crop = "auto"
    """Which part."""
    background: Background = "stylize"
    """What becomes of the rest of a whole picture."""
    detector: FaceDetector | None = None
    """What finds faces; the cascades when None."""
    mend_light: bool = True
    """Whether a face's exposure and colour cast are brought towards what is usual before it is drawn."""

    def find(self, image: Image.Image) -> list[FaceBox]:
        """Faces of a picture, the largest first; none where they do not matter."""
        if self.crop in ("center", "none"):
            return []
        return (self.detector or CascadeDetector()).faces(image)

    def takes_whole(self, image: Image.Image, faces: Sequence[FaceBox]) -> bool:
        """Whether a picture with these faces is drawn whole."""
        if self.crop == "auto":
            return bool(faces) and not is_portrait(image, faces)
        return self.crop == "whole"


@dataclass(frozen=True)
class Prepared:
    """A photo as the model is to see it."""

    job: Job
    """Where it comes from and where its drawing goes."""
    pixels: NDArray[np.uint8]
    """uint8 `(3, H, W)` RGB, the shorter side at the model's size."""
    found_face: bool | None
    """Whether a face decided the crop; None when none was looked for."""
    roll: float = 0.0
    """Degrees that it is turned by to be drawn (`levelling.head_roll`)."""


def open_job(job: Job) -> Image.Image:
    """The photo of a job; raises as `open_picture`."""
    return read_picture("standard input" if job.data else job.source, job.data).image


def prepare(job: Job, size: int, framing: Framing) -> Prepared:
    """Read a photo, cut its square and bring its shorter side down or up to `size` px.

    Raises:
        NotFoundError, BadInputError: it cannot be read, or is too long to be drawn by `none`.
    """
    image = open_job(job)
    return cut_out(job, image, size, framing, framing.find(image))


def cut_out(job: Job, image: Image.Image, size: int, framing: Framing, faces: Sequence[FaceBox]) -> Prepared:
    crop = framing.crop
    found: bool | None = None
    roll = 0.0
    if crop == "none":
        if max(image.size) > MAX_ASPECT * min(image.size):
            raise BadInputError(
                f"{job.source}: {image.width}x{image.height} px is too long to be drawn at once; expected at "
                f"most {MAX_ASPECT:g}:1",
                "use --crop whole, --crop face or --crop center",
            )
    elif crop == "center" or not faces:
        image, found = frame(image, "center").image, None if crop == "center" else False
    else:
        framed = frame(image, "face", faces[0])
        image, found, roll = framed.image, True, head_roll(faces, framed.box)
    # Down to the model's size at once, so that a batch of phone photos stays small.
    scale = size / min(image.size)
    side = (max(size, round(image.width * scale)), max(size, round(image.height * scale)))
    small = image.resize(side, Image.Resampling.LANCZOS, reducing_gap=3.0)
    pixels = np.asarray(small, dtype=np.uint8)
    if found and framing.mend_light:
        pixels = face_light(pixels).mend(pixels)
    return Prepared(job, pixels.transpose(2, 0, 1), found, roll)


def check_drawable(job: Job, image: Image.Image, framing: Framing, faces: Sequence[FaceBox]) -> None:
    """Raise BadInputError where nothing of a whole picture, at the size of its drawing, would be drawn."""
    if framing.background == "stylize" or faces_drawn(image, faces):
        return
    if faces:
        found = f"its largest face has {faces[0].side:.0f} px, expected {LEAST_FACE} or more"
        raise BadInputError(
            f"{job.source}: {found}; with --background {framing.background} nothing else is drawn",
            "ask for a larger --size, or leave --background out",
        )
    raise BadInputError(
        f"{job.source}: no face was found, and with --background {framing.background} nothing else is drawn",
        "leave --background out; with YuNet more faces are found: --detector FILE",
    )


def resized(
    job: Job, image: Image.Image, faces: Sequence[FaceBox], size: int | None
) -> tuple[Image.Image, list[FaceBox]]:
    """A picture that is drawn whole with its shorter side at `size` px."""
    if size is None:
        return image, list(faces)
    scale = size / min(image.size)
    if scale * max(image.size) > MAX_SIDE:
        raise BadInputError(
            f"{job.source}: with --size {size} it would be longer than {MAX_SIDE} px",
            f"use --size {int(MAX_SIDE * min(image.size) / max(image.size))}",
        )
    sides = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.resize(sides, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return resized, [face.scaled(scale) for face in faces]

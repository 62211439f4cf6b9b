"""Photos in, drawings out: one picture, several, or folders, a small batch at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.data.pictures import read_picture
from fewshot.errors import BadInputError, FewshotError
from fewshot.files import atomic_write
from fewshot.inference.detection import CascadeDetector
from fewshot.inference.framing import frame, is_portrait
from fewshot.inference.outputs import FORMATS, STREAM, Failure, Job, Plan, plan_outputs
from fewshot.inference.whole import MAX_SIDE, draw_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fewshot.inference.detection import FaceBox, FaceDetector
    from fewshot.inference.engine import Engine
    from fewshot.inference.whole import Background

Crop = Literal["auto", "whole", "face", "center", "none"]
"""`whole` draws the whole picture, its faces at the model's size (`whole.py`); `face` and `center` cut a
square; `none` shows the model all of it at once; `auto` is `face` for portraits and `whole` for others."""

CHUNK = 4
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

    def find(self, image: Image.Image) -> list[FaceBox]:
        """Faces of a picture, the largest first; none where they do not matter."""
        if self.crop in ("center", "none"):
            return []
        return (self.detector or CascadeDetector()).faces(image)

    def takes_whole(self, image: Image.Image, faces: Sequence[FaceBox]) -> bool:
        """Whether a picture with these faces is drawn whole."""
        if self.crop == "auto":
            return bool(faces) and not is_portrait(image, faces[0])
        return self.crop == "whole"


@dataclass(frozen=True)
class Drawn:
    """One finished drawing."""

    source: Path
    """The photo."""
    target: Path
    """The drawing."""
    found_face: bool | None
    """Whether a face was found; None when none was looked for."""
    size: tuple[int, int]
    """Width and height of the drawing, px."""
    whole: bool = False
    """Whether the whole picture was drawn and no square of it."""


@dataclass(frozen=True)
class Summary:
    """What became of all inputs."""

    drawn: tuple[Drawn, ...]
    """In the order of the inputs."""
    failures: tuple[Failure, ...]
    """Inputs that could not be used."""


@dataclass(frozen=True)
class Prepared:
    """A photo as the model is to see it."""

    job: Job
    """Where it comes from and where its drawing goes."""
    pixels: NDArray[np.uint8]
    """uint8 `(3, H, W)` RGB, the shorter side at the model's size."""
    found_face: bool | None
    """Whether a face decided the crop; None when none was looked for."""


def stylize_paths(
    inputs: Sequence[Path],
    engine: Engine,
    out: Path,
    *,
    framing: Framing = Framing(),
    size: int | None = None,
    overwrite: bool = False,
) -> Summary:
    """Draw pictures and folders of pictures; see `plan_outputs` for the names and `run_plan` for the rest."""
    return run_plan(plan_outputs(inputs, out, overwrite=overwrite), engine, framing=framing, size=size)


def run_plan(
    plan: Plan,
    engine: Engine,
    *,
    framing: Framing = Framing(),
    size: int | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Summary:
    """Draw every picture of a plan; unreadable ones are listed in the result and the rest is still done.

    Args:
        framing: what of a photo is drawn.
        size: shorter side of the drawings, px; the model's own size, or a whole picture's own, when None.
        on_done: called with the number of pictures dealt with so far.

    Raises:
        BadInputError: the output folder cannot be written to, or the disk is full.
    """
    drawn: dict[Path, Drawn] = {}
    failures = list(plan.failures)
    done = 0
    for start in range(0, len(plan.jobs), CHUNK):
        chunk = plan.jobs[start : start + CHUNK]
        prepared: list[Prepared] = []
        for job in chunk:
            try:
                image = open_job(job)
                faces = framing.find(image)
                whole = framing.takes_whole(image, faces)
                if whole:
                    image, faces = _sized(job, image, faces, size)
                else:
                    prepared.append(_prepared(job, image, engine.size, framing.crop, faces))
            except FewshotError as error:
                failures.append(Failure(job.source, error))
                continue
            if whole:
                drawn[job.target] = _draw_whole(job, image, engine, framing, faces)
        for _, group in groupby(prepared, key=lambda p: p.pixels.shape):
            drawn |= {one.target: one for one in _draw(list(group), engine, size)}
        done += len(chunk)
        if on_done is not None:
            on_done(done)
    return Summary(tuple(drawn[job.target] for job in plan.jobs if job.target in drawn), tuple(failures))


def open_job(job: Job) -> Image.Image:
    """The photo of a job; raises as `open_picture`."""
    return read_picture("standard input" if job.data else job.source, job.data).image


def prepare(job: Job, size: int, framing: Framing) -> Prepared:
    """Read a photo, cut its square and bring its shorter side down or up to `size` px.

    Raises:
        NotFoundError, BadInputError: it cannot be read, or is too long to be drawn by `none`.
    """
    image = open_job(job)
    return _prepared(job, image, size, framing.crop, framing.find(image))


def _prepared(job: Job, image: Image.Image, size: int, crop: Crop, faces: Sequence[FaceBox]) -> Prepared:
    found: bool | None = None
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
        image, found = frame(image, "face", faces[0]).image, True
    # Down to the model's size at once, so that a batch of phone photos stays small.
    scale = size / min(image.size)
    side = (max(size, round(image.width * scale)), max(size, round(image.height * scale)))
    small = image.resize(side, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Prepared(job, np.asarray(small, dtype=np.uint8).transpose(2, 0, 1), found)


def _sized(
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


def _draw_whole(
    job: Job, image: Image.Image, engine: Engine, framing: Framing, faces: Sequence[FaceBox]
) -> Drawn:
    result = Image.fromarray(draw_whole(image, engine, faces, framing.background))
    write_picture(result, job.target)
    return Drawn(job.source, job.target, bool(faces), result.size, whole=True)


def _draw(group: list[Prepared], engine: Engine, size: int | None) -> Iterable[Drawn]:
    results = engine.stylize(np.stack([prepared.pixels for prepared in group]))
    for prepared, result in zip(group, results, strict=True):
        image = Image.fromarray(np.ascontiguousarray(result.transpose(1, 2, 0)))
        if size is not None:
            height, width = prepared.pixels.shape[1:]
            scale = size / min(height, width)
            image = image.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
        write_picture(image, prepared.job.target)
        yield Drawn(prepared.job.source, prepared.job.target, prepared.found_face, image.size)


def write_picture(image: Image.Image, target: Path) -> None:
    """Write an RGB picture in the format of its ending, whole or not at all; as PNG to `STREAM`.

    Raises:
        BadInputError: the folder cannot be written to or the disk is full.
    """
    if target == STREAM:
        image.save(sys.stdout.buffer, "PNG")
        return
    kind = FORMATS[target.suffix.lower()]
    options: dict[str, object] = {} if kind == "PNG" else {"quality": 95}
    if kind == "JPEG":
        # Coloured lines on paper bleed with halved colour resolution.
        options["subsampling"] = 0
    atomic_write(target, lambda handle: image.save(handle, kind, **options))

"""Photos in, drawings out: one picture, several, or folders, a small batch at a time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fewshot.errors import BadInputError, FewshotError, UnavailableError
from fewshot.files import atomic_write
from fewshot.inference.levelling import stylize_level
from fewshot.inference.outputs import FORMATS, STREAM, Failure, Job, Plan, plan_outputs
from fewshot.inference.preparing import Framing, Prepared, check_drawable, cut_out, open_job, resized
from fewshot.inference.whole import draw_whole, faces_drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fewshot.inference.detection import FaceBox
    from fewshot.inference.engine import Engine

CHUNK = 4
_WEBP_SIDE = 16383
"""Of the format, px."""


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


def stylize_paths(
    inputs: Sequence[Path],
    engine: Engine,
    out: Path,
    *,
    framing: Framing = Framing(),  # noqa: B008 (frozen)
    size: int | None = None,
    overwrite: bool = False,
) -> Summary:
    """Draw pictures and folders of pictures; see `plan_outputs` for the names and `run_plan` for the rest."""
    return run_plan(plan_outputs(inputs, out, overwrite=overwrite), engine, framing=framing, size=size)


def run_plan(
    plan: Plan,
    engine: Engine,
    *,
    framing: Framing = Framing(),  # noqa: B008 (frozen)
    size: int | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Summary:
    """Draw every picture of a plan; unreadable ones are listed in the result and the rest is still done.

    Args:
        framing: what of a photo is drawn.
        size: shorter side of the drawings, px; the model's own size, or a whole picture's own, when None.
        on_done: called with the number of pictures dealt with so far.

    Raises:
        UnavailableError: the output folder cannot be written to, or the disk is full.
    """
    drawn: dict[Path, Drawn] = {}
    failures = list(plan.failures)
    done = 0

    @contextlib.contextmanager
    def kept(job: Job) -> Iterator[None]:
        """What is wrong with one picture is listed; where nothing can be written, nothing more is drawn."""
        try:
            yield
        except UnavailableError:
            raise
        except FewshotError as error:
            failures.append(Failure(job.source, error))

    for start in range(0, len(plan.jobs), CHUNK):
        chunk = plan.jobs[start : start + CHUNK]
        prepared: list[Prepared] = []
        for job in chunk:
            with kept(job):
                image = open_job(job)
                faces = framing.find(image)
                if framing.takes_whole(image, faces):
                    image, faces = resized(job, image, faces, size)
                    check_drawable(job, image, framing, faces)
                    drawn[job.target] = _draw_whole(job, image, engine, framing, faces)
                else:
                    prepared.append(cut_out(job, image, engine.size, framing, faces))
        for _, group in groupby(prepared, key=lambda p: p.pixels.shape):
            for one, result in _draw(list(group), engine, size):
                with kept(one.job):
                    write_picture(result, one.job.target)
                    drawn[one.job.target] = Drawn(one.job.source, one.job.target, one.found_face, result.size)
        done += len(chunk)
        if on_done is not None:
            on_done(done)
    return Summary(tuple(drawn[job.target] for job in plan.jobs if job.target in drawn), tuple(failures))


def _draw_whole(
    job: Job, image: Image.Image, engine: Engine, framing: Framing, faces: Sequence[FaceBox]
) -> Drawn:
    pixels = draw_whole(image, engine, faces, framing.background, mend_light=framing.mend_light)
    result = Image.fromarray(pixels)
    write_picture(result, job.target)
    return Drawn(job.source, job.target, bool(faces_drawn(image, faces)), result.size, whole=True)


def _draw(group: list[Prepared], engine: Engine, size: int | None) -> Iterator[tuple[Prepared, Image.Image]]:
    photos = np.stack([prepared.pixels for prepared in group])
    results = stylize_level(engine, photos, [prepared.roll for prepared in group])
    for prepared, result in zip(group, results, strict=True):
        image = Image.fromarray(np.ascontiguousarray(result.transpose(1, 2, 0)))
        if size is not None:
            height, width = prepared.pixels.shape[1:]
            scale = size / min(height, width)
            image = image.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
        yield prepared, image


def write_picture(image: Image.Image, target: Path) -> None:
    """Write an RGB picture in the format of its ending, whole or not at all; as PNG to `STREAM`.

    Raises:
        BadInputError: the folder cannot be written to, the disk is full, or a WebP would be too large.
    """
    if target == STREAM:
        image.save(sys.stdout.buffer, "PNG")
        return
    kind = FORMATS[target.suffix.lower()]
    if kind == "WEBP" and max(image.size) > _WEBP_SIDE:
        raise BadInputError(
            f"{target}: {image.width}x{image.height} px; a WebP has {_WEBP_SIDE:,} at most on a side",
            "write a .png, or ask for a smaller --size",
        )
    options: dict[str, object] = {} if kind == "PNG" else {"quality": 95}
    if kind == "JPEG":
        # Coloured lines on paper bleed with halved colour resolution.
        options["subsampling"] = 0
    atomic_write(target, lambda handle: image.save(handle, kind, **options))

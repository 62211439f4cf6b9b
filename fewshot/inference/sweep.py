"""Strength and blending at a glance: one photo drawn with many weights, as one sheet.

One style gives a row from the base alone to an exaggeration. Two styles give a grid of both weights: its
first corner is the base, its first row and column are each style alone, and its other diagonal is the blend
of the two with weights that add up to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.errors import FewshotError, UsageError
from fewshot.inference.engine import Engine, EngineKind, open_engine
from fewshot.inference.levelling import stylize_level
from fewshot.inference.outputs import Failure, Plan
from fewshot.inference.preparing import Framing, Prepared, prepare
from fewshot.inference.stylize import Drawn, Summary, write_picture
from fewshot.sheets import contact_sheet

if TYPE_CHECKING:
    from base_models.arrays import BaseArrays
    from fewshot.adapters.adapter import Adapter

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Weights of one style: 0 is the base alone, above 1 exaggerates."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of each of two styles; beyond 1 the sum of both is far from anything that was trained."""

_CHUNK = 16
_LARGEST = 1024
"""Side of a drawing on a sheet, px; with larger ones it outgrows what WebP can hold."""
_LETTER = 8
"""Widest width of a letter on the sheet, px; a longer name is cut."""
_NAME = 11
"""Letters of a name beside a row."""


@dataclass(frozen=True)
class Sweep:
    """The weights of every drawing on a sheet."""

    rows: tuple[tuple[tuple[float, ...], ...], ...]
    """For each row and column the weight of each style, in the order of the styles."""
    captions: tuple[str, ...]
    """Beside the rows."""
    headers: tuple[str, ...]
    """Over the columns, without the photo's."""


def plan_sweep(styles: Sequence[tuple[str, float]], cell: int) -> Sweep:
    """What a sheet shows of one or two styles.

    Args:
        styles: names and weights, as `parse_style` gives them; the weights have to be 1, since the sheet has
            its own.
        cell: side of a drawing on the sheet, px; names are cut to fit.

    Raises:
        UsageError: no style, more than two, or one with a weight.
    """
    if not 1 <= len(styles) <= 2:
        raise UsageError(
            f"--sweep with {len(styles) or 'no'} styles; expected one, for its strengths, or two, for their "
            "blends",
            "name one or two: --style NAME --sweep",
        )
    for name, weight in styles:
        if weight != 1:
            raise UsageError(
                f"--style {name}:{weight:g} with --sweep, which shows every weight",
                f"leave the weight out: --style {name} --sweep",
            )
    first = _cut(styles[0][0], _NAME)
    if len(styles) == 1:
        row = tuple((weight,) for weight in STRENGTHS)
        return Sweep((row,), (first,), tuple(f"{weight:g}" for weight in STRENGTHS))
    second = _cut(styles[1][0], max(3, cell // _LETTER))
    return Sweep(
        tuple(tuple((a, b) for b in SHARES) for a in SHARES),
        tuple(f"{first}\n{weight:g}" for weight in SHARES),
        tuple(f"{second}\n{weight:g}" for weight in SHARES),
    )


def run_sweep(
    plan: Plan,
    base: BaseArrays,
    styles: Sequence[tuple[Adapter, float]],
    *,
    framing: Framing = Framing("face"),  # noqa: B008 (frozen)
    size: int | None = None,
    on_done: Callable[[int], None] | None = None,
    kind: EngineKind = "onnx",
    device: str = "auto",
) -> Summary:
    """Write one sheet for each photo of a plan; unreadable ones are listed in the result.

    The photo comes first, then its drawings with each of the weights, each as `Engine` draws it alone.

    Args:
        styles: one or two, each with weight 1.
        framing: how the square is cut; whole pictures have no place in a grid of squares.
        size: side of the drawings, px; the base's own when None.
        on_done: called with the number of photos dealt with so far.

    Raises:
        UsageError: as `plan_sweep`, `crop` is `none` or `whole`, or `size` is too large for a sheet.
        IntegrityError: an adapter of another base, damaged, or without consent.
        BadInputError: the output folder cannot be written to, or the disk is full.
    """
    if framing.crop in ("none", "whole"):
        raise UsageError("--sweep lays out squares, not whole pictures", "use --crop face or --crop center")
    cell = size or base.size
    if cell > _LARGEST:
        raise UsageError(
            f"--sweep with drawings of {cell} px; expected at most {_LARGEST} on a sheet of up to 30",
            f"leave --size out, or use --size {_LARGEST}",
        )
    sweep = plan_sweep([(adapter.name, weight) for adapter, weight in styles], cell)

    def with_weights(weights: Sequence[float]) -> Engine:
        chosen = [(adapter, weight) for (adapter, _), weight in zip(styles, weights, strict=True)]
        return open_engine(base, chosen, kind, device=device)

    drawn: list[Drawn] = []
    failures = list(plan.failures)
    for start in range(0, len(plan.jobs), _CHUNK):
        photos: list[Prepared] = []
        for job in plan.jobs[start : start + _CHUNK]:
            try:
                photos.append(prepare(job, base.size, framing))
            except FewshotError as error:
                failures.append(Failure(job.source, error))
        for photo, drawings in zip(photos, _draw(photos, sweep, with_weights), strict=True):
            sheet = _sheet(sweep, photo.pixels, drawings, cell)
            write_picture(sheet, photo.job.target)
            drawn.append(Drawn(photo.job.source, photo.job.target, photo.found_face, sheet.size))
        if on_done is not None:
            on_done(min(start + _CHUNK, len(plan.jobs)))
    return Summary(tuple(drawn), tuple(failures))


def _draw(
    photos: Sequence[Prepared], sweep: Sweep, draw: Callable[[Sequence[float]], Engine]
) -> list[NDArray[np.uint8]]:
    """Every photo with every weight: for each photo uint8 `(cells, 3, S, S)`, row by row."""
    if not photos:
        return []
    results = []
    for weights in (cell for row in sweep.rows for cell in row):
        # One at a time: a blended network for every cell would fill the memory.
        engine = draw(weights)
        # Photo by photo: in a batch a convolution may round otherwise than `stylize` does for one.
        results.append(
            np.concatenate([stylize_level(engine, photo.pixels[None], [photo.roll]) for photo in photos])
        )
    return list(np.stack(results, 1))


def _sheet(sweep: Sweep, photo: NDArray[np.uint8], drawings: NDArray[np.uint8], cell: int) -> Image.Image:
    """The photo in the first corner, and the drawings `(cells, 3, S, S)` row by row beside it."""
    rows = []
    for index, caption in enumerate(sweep.captions):
        columns = len(sweep.headers)
        shown = drawings[index * columns : (index + 1) * columns]
        corner = photo if index == 0 else np.full_like(photo, 255)
        rows.append((caption, np.concatenate([corner[None], shown])))
    return contact_sheet(rows, cell, headers=("photo", *sweep.headers))


def _cut(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"

"""The folds of an artist's drawings: each drawing is scored with by a model that never saw it."""

from __future__ import annotations

from dataclasses import replace

from fewshot.data.families import apart, families
from fewshot.data.set_problems import FEW
from fewshot.data.style_set import StyleSet
from fewshot.errors import UsageError

Parts = tuple[StyleSet, StyleSet | None]
"""What to train on, and the validation fold; None where there are too few drawings for one."""


def make_folds(drawings: StyleSet, count: int, seed: int = 0) -> tuple[Parts, ...]:
    """Split into `count` folds of nearly equal size.

    Which drawing is in which fold depends on the drawings' content and `seed`, never on file names, and near
    copies of a drawing are in its fold. Each fold has two drawings or more, of which KID can be taken; so a
    few drawings, or a few families of copies, have fewer folds. With fewer than five there is one part
    without a fold, as for `fewshot adapt`.

    Raises:
        UsageError: fewer than two folds.
    """
    if len(drawings) < FEW:
        return ((drawings, None),)
    if count < 2:
        raise UsageError(f"--folds {count}: expected 2 or more", "use --folds 3, or 2 for half the time")
    place = _places(drawings, min(count, len(drawings) // 2), seed)
    count = max(place.values()) + 1
    return tuple(
        (
            replace(drawings, pictures=tuple(p for p in drawings if place[p.hash] != fold), problems=()),
            replace(drawings, pictures=tuple(p for p in drawings if place[p.hash] == fold), problems=()),
        )
        for fold in range(count)
    )


def _places(drawings: StyleSet, count: int, seed: int) -> dict[str, int]:
    """Fold of each drawing's hash: as many folds as families can fill, two where even two must share one."""
    for fewer in range(count, 1, -1):
        if parts := apart(drawings.pictures, fewer, seed):
            return {picture.hash: fold for fold, part in enumerate(parts) for picture in part}
    each = [picture for family in families(drawings.pictures, seed) for picture in family]
    return {picture.hash: index % 2 for index, picture in enumerate(each)}

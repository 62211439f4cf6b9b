"""The folds of an artist's drawings: each drawing is scored with by a model that never saw it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from fewshot.data.style_set import FEW, StyleSet
from fewshot.errors import UsageError

Parts = tuple[StyleSet, StyleSet | None]
"""What to train on, and the validation fold; None where there are too few drawings for one."""


def make_folds(drawings: StyleSet, count: int, seed: int = 0) -> tuple[Parts, ...]:
    """Split into `count` folds of nearly equal size.

    Which drawing is in which fold depends on the drawings' content and `seed`, never on file names. Each fold
    has two drawings or more, of which KID can be taken; so a few drawings have fewer folds. With fewer than
    five there is one part without a fold, as for `fewshot adapt`.

    Raises:
        UsageError: fewer than two folds.
    """
    if len(drawings) < FEW:
        return ((drawings, None),)
    if count < 2:
        raise UsageError(f"--folds {count}: expected 2 or more", "use --folds 3, or 2 for half the time")
    count = min(count, len(drawings) // 2)
    ordered = sorted(drawings, key=lambda p: hashlib.sha256(f"{seed}:{p.hash}".encode()).digest())
    place = {picture.hash: index % count for index, picture in enumerate(ordered)}
    return tuple(
        (
            replace(drawings, pictures=tuple(p for p in drawings if place[p.hash] != fold), problems=()),
            replace(drawings, pictures=tuple(p for p in drawings if place[p.hash] == fold), problems=()),
        )
        for fold in range(count)
    )

"""KID, FID, precision and recall on two sources of pictures, as rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.distances import Scale, fid, fid_notes, kid_interval, kid_subsets
from eval.features import Extractor
from eval.intervals import Estimate
from eval.precision_recall import precision_recall
from fewshot.errors import BadInputError
from fewshot.evaluation.features import features_of, open_judge
from fewshot.evaluation.rows import Row, judged
from fewshot.evaluation.sources import Gathered, gather


@dataclass(frozen=True)
class Looking:
    """How pictures are read and what looks at them."""

    extractor: str
    """Name, as `eval.features.get_extractor` takes it."""
    size: int | None
    """Side of the squares that pictures become, px; None takes them as they are."""
    weights: Path | None = None
    """Weight file of the extractor, where it needs one."""
    sha256: str | None = None
    """Of the weight file that is meant, where it is another than the known one."""
    device: str = "cpu"
    """Where the extractor runs; its numbers do not depend on it."""

    def judge(self) -> Extractor:
        """The extractor."""
        return open_judge(self.extractor, self.weights, self.sha256, self.device)


Lines = list[tuple[str, Estimate, tuple[str, ...]]]
"""Name, number and notes of each row."""

Measure = Callable[[np.ndarray, np.ndarray], Lines]
"""Features (n, D) and (m, D) to rows."""


def kid_rows(a: Path, b: Path, looking: Looking, subset_size: int | None = None) -> list[Row]:
    """KID between two sources: unbiased on all pictures, and by subsets as in published numbers if asked for.

    Features without a fixed scale are standardised on `b`, the drawings: the ruler of all results.

    Raises:
        BadInputError: fewer than two pictures on a side.
        EvalError: larger subsets than there are pictures.
    """

    def measure(x: np.ndarray, y: np.ndarray) -> Lines:
        found: Lines = [("KID", kid_interval(x, y, extractor=looking.extractor), ())]
        if subset_size is not None:
            mean, deviation = kid_subsets(x, y, subset_size=subset_size)
            note = f"subsets of {subset_size}: deviation {deviation:.3g}, which is no interval"
            found.append(("KID, subsets", _bare(mean, x, y, looking), (note,)))
        return found

    return _two_sided(a, b, looking, measure, scaled=True)


def fid_rows(a: Path, b: Path, looking: Looking) -> list[Row]:
    """FID between two sources; no interval: resampling so biased a number would mislead.

    Raises:
        BadInputError: fewer than two pictures on a side.
    """

    def measure(x: np.ndarray, y: np.ndarray) -> Lines:
        notes = (*fid_notes(len(x), len(y)), "no interval")
        return [("FID", _bare(fid(x, y), x, y, looking), notes)]

    return _two_sided(a, b, looking, measure)


def pr_rows(results: Path, drawings: Path, looking: Looking, k: int) -> list[Row]:
    """Precision, recall, density and coverage of results against drawings.

    Raises:
        BadInputError: fewer than two pictures on a side.
        EvalError: no more than `k` pictures on a side.
    """

    def measure(made: np.ndarray, drawn: np.ndarray) -> Lines:
        found = precision_recall(drawn, made, k=k, extractor=looking.extractor)
        note = f"k = {k}; compare at equal n and k"
        return [
            (name, getattr(found, name), (note,)) for name in ("precision", "recall", "density", "coverage")
        ]

    return _two_sided(results, drawings, looking, measure, scaled=True)


def _bare(value: float, x: np.ndarray, y: np.ndarray, looking: Looking) -> Estimate:
    return Estimate(value, math.nan, math.nan, len(x), len(y), looking.extractor)


def _two_sided(a: Path, b: Path, looking: Looking, measure: Measure, *, scaled: bool = False) -> list[Row]:
    judge = looking.judge()
    sides = [gather(path, looking.size) for path in (a, b)]
    for path, side in zip((a, b), sides, strict=True):
        require_two(str(path), side)
    x, y = (features_of(judge, side) for side in sides)
    notes: tuple[str, ...] = ()
    if same := len(set(sides[0].hashes) & set(sides[1].hashes)):
        notes = (f"{same} pictures are on both sides",)
    if scaled and not judge.standardised:
        scale = Scale.fit(y)
        x, y = scale.apply(x), scale.apply(y)
        notes += ("standardised on the second side",)
    return [
        judged(name, estimate, judge, looking.size, sides, (*own, *notes))
        for name, estimate, own in measure(x, y)
    ]


def require_two(label: str, side: Gathered) -> None:
    """Raise BadInputError where a source has fewer than two usable pictures."""
    if len(side) < 2:
        raise BadInputError(f"{label}: one usable picture; expected two or more", "add pictures")

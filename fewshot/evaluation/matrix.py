"""Several folders, styles and bases, each compared with each, as a matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eval.confusion import confusion
from eval.distances import Scale, fid, fid_notes, kid_interval, kid_twins_interval
from eval.features import Extractor
from eval.intervals import Estimate
from fewshot.errors import UsageError
from fewshot.evaluation.decoding import Crop
from fewshot.evaluation.features import features_of
from fewshot.evaluation.folders import Looking, require_two
from fewshot.evaluation.operands import (
    Operand,
    common_size,
    distinct_labels,
    draw,
    find_operand,
    needs_photos,
)
from fewshot.evaluation.record import number_text
from fewshot.evaluation.rows import Row, judged
from fewshot.evaluation.sources import Gathered, gather

Measure = Literal["kid", "fid", "style"]

WIDTH = 80
"""Columns of a terminal that the table with intervals has to fit into."""


@dataclass(frozen=True)
class Photos:
    """What styles and bases redraw."""

    path: Path | None = None
    """Folder, archive or pattern; None where nothing is to be drawn."""
    indices: str | None = None
    """Which of them, as `sources.parse_indices` reads it."""
    crop: Crop = "auto"
    """How a photo becomes a square."""


@dataclass(frozen=True)
class Matrix:
    """Every pair that was measured."""

    measure: Measure
    """What was measured."""
    labels: tuple[str, ...]
    """Names of the operands, in their order."""
    cells: Mapping[tuple[int, int], Row]
    """Row and column to number. KID and FID are symmetric: the lower triangle alone."""

    def rows(self) -> list[Row]:
        """All cells, row by row."""
        return [self.cells[place] for place in sorted(self.cells)]

    def table(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Lines and column names for a terminal; columns by number, intervals where they fit."""
        columns = sorted({column for _, column in self.cells})
        lines: list[dict[str, Any]] = []
        for row, label in enumerate(self.labels):
            line: dict[str, Any] = {"": f"{row + 1} {label}"}
            for column in columns:
                found = self.cells.get((row, column))
                line[str(column + 1)] = cell_text(found.estimate, self.fits()) if found else ""
            lines.append(line)
        return lines, ["", *(str(column + 1) for column in columns)]

    def pairs(self) -> tuple[list[dict[str, Any]], list[str]]:
        """One line per cell with its interval, and column names; n in the order of a and b."""
        lines = [
            {**row.facts, **row.line(), "n": f"{row.estimate.n_y} and {row.estimate.n_x}"}
            for row in self.rows()
        ]
        return lines, ["a", "b", "value", "low", "high", "n"]

    def fits(self) -> bool:
        """Whether the table with its intervals fits into `WIDTH` columns."""
        names = max(len(label) for label in self.labels) + 2
        widths = (max(map(len, cell_text(row.estimate, True).split("\n"))) for row in self.cells.values())
        return names + len({column for _, column in self.cells}) * (max(widths) + 2) <= WIDTH


def cell_text(estimate: Estimate, interval: bool) -> str:
    """Value over its interval, where one is wanted and there is one."""
    value = number_text(estimate.value)
    if math.isnan(estimate.low) or not interval:
        return value
    low, high = (number_text(bound, 2) for bound in (estimate.low, estimate.high))
    return f"{value}\n[{low}, {high}]"


def compare_all(
    texts: Sequence[str], photos: Photos, looking: Looking, measure: Measure = "kid", base: str | None = None
) -> Matrix:
    """Compare every operand with every other.

    KID and FID are distances. `style` is a matrix of confusion: the share of a row's pictures that are
    nearest to each column, each picture left out of its own side; far from 1 on the diagonal, a hand cannot
    be told from another.

    Args:
        texts: two or more, as `operands.find_operand` takes them.
        photos: what styles and bases redraw.
        looking: the extractor; without a size, the smallest that one of the bases draws at.
        measure: which question.
        base: draws the styles; their own when None.

    Raises:
        UsageError: fewer than two operands, one of them twice, or photos missing.
        NotFoundError, BadInputError, IntegrityError: an operand or photos that cannot be used.
    """
    operands = [find_operand(text, base) for text in texts]
    labels = distinct_labels(operands)
    needs_photos(operands, photos.path)
    if photos.path is not None and all(operand.kind == "pictures" for operand in operands):
        raise UsageError(
            "--photos: there is no style and no base to redraw them",
            "leave it out, or name a style or a base",
        )
    size = looking.size or common_size(operands)

    @cache
    def shown(side: int) -> Gathered:
        assert photos.path is not None
        return gather(photos.path, side, indices=photos.indices, crop=photos.crop)

    sides = [draw(operand, size, shown) for operand in operands]
    for text, side in zip(texts, sides, strict=True):
        require_two(text, side)
    judge = looking.judge()
    # What was just drawn is rarely drawn twice: it is not kept in the cache.
    features = [
        features_of(judge, s if o.engine is None else s.pixels) for o, s in zip(operands, sides, strict=True)
    ]
    cells = _Cells(judge, size, labels, operands, sides, features)
    found = cells.style() if measure == "style" else cells.distances(measure)
    return Matrix(measure, labels, found)


@dataclass(frozen=True)
class _Cells:
    """Fills the matrix."""

    judge: Extractor
    size: int
    labels: tuple[str, ...]
    operands: Sequence[Operand]
    sides: Sequence[Gathered]
    features: Sequence[np.ndarray]

    def distances(self, measure: Measure) -> dict[tuple[int, int], Row]:
        features, notes = self._scaled() if measure == "kid" else (self.features, ())
        found = {}
        for a, b in combinations(range(len(features)), 2):
            x, y = features[a], features[b]
            twins = "pictures" not in (self.operands[a].kind, self.operands[b].kind)
            if measure == "kid":
                interval = kid_twins_interval if twins else kid_interval
                estimate = interval(x, y, extractor=self.judge.name)
                shared = "a photo's two results are not compared with each other"
            else:
                n = len(x), len(y)
                estimate = Estimate(
                    fid(x, y), math.nan, math.nan, *n, self.judge.name, (*fid_notes(*n), "no interval")
                )
                shared = "sides drawn from the same photos are nearer than their styles"
            own = (*notes, shared) if twins else notes
            found[b, a] = self._row(measure.upper(), b, a, estimate, own)
        return found

    def style(self) -> dict[tuple[int, int], Row]:
        twins = [label for label, o in zip(self.labels, self.operands, strict=True) if o.engine is not None]
        sides = dict(zip(self.labels, self.features, strict=True))
        shares = confusion(sides, twins, extractor=self.judge.name)
        note = f"chance {1 / len(sides):.2g}; a picture is left out of its own side"
        note += ", and its photo out of the others" if len(twins) > 1 else ""
        places = {label: place for place, label in enumerate(self.labels)}
        return {
            (places[a], places[b]): self._row("nearest", places[a], places[b], share, (note,))
            for (a, b), share in shares.items()
        }

    def _scaled(self) -> tuple[Sequence[np.ndarray], tuple[str, ...]]:
        """Features, standardised where the extractor has no fixed scale, and a note about that."""
        if self.judge.standardised:
            return self.features, ()
        given = [f for f, o in zip(self.features, self.operands, strict=True) if o.kind == "pictures"]
        scale = Scale.fit(*(given or self.features))
        return [scale.apply(rows) for rows in self.features], (
            "standardised on the pictures as given" if given else "standardised on all sides",
        )

    def _row(self, name: str, a: int, b: int, estimate: Estimate, notes: tuple[str, ...]) -> Row:
        row = judged(name, estimate, self.judge, self.size, (self.sides[a], self.sides[b]), notes)
        row.facts.update({"a": self.labels[a], "b": self.labels[b]})
        return row

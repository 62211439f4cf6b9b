"""Is one trial really better than another? Both drew the same photos, so their differences are paired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from eval.distances import kid_difference_interval
from eval.intervals import Estimate, bootstrap_mean
from fewshot.selection.evidence import Evidence
from fewshot.selection.judge import distance
from fewshot.selection.storage import Store
from fewshot.selection.trial import Bench
from fewshot.selection.tried import Tried, evidence_key
from fewshot.training.validation import NOISE, STEERING


@dataclass(frozen=True)
class Comparison:
    """Compares trials of one study by what the store keeps of them."""

    store: Store
    """Where the evidence is."""
    bench: Bench
    """Knows the folds."""
    _known: dict[tuple[int, int], list[Evidence] | None] = field(default_factory=dict, repr=False)

    def evidence(self, one: Tried) -> list[Evidence] | None:
        """Of all folds at the trial's last rung; None where some of it is gone."""
        key = one.number, one.rung
        if key not in self._known:
            data = [self.store.fetch(one.number, evidence_key(f, one.rung)) for f in range(len(one.folds))]
            self._known[key] = [Evidence.from_bytes(part) for part in data if part]
            if not all(data):
                self._known[key] = None
        return self._known[key]

    def difference(self, ours: Tried, theirs: Tried) -> Estimate | None:
        """`difference` of two trials that were scored at the same rung; None without evidence."""
        mine, other = self.evidence(ours), self.evidence(theirs)
        if mine is None or other is None:
            return None
        references = [self.bench.references(fold) for fold in range(len(mine))]
        bases = [{name: kid.value for name, kid in score.kid_base.items()} for score in ours.scores]
        return difference(mine, other, references, bases)

    def tied(self, ours: Tried, theirs: Tried) -> bool:
        """Whether 0 is within the interval of the difference; without one, only equal scores are tied."""
        found = self.difference(ours, theirs)
        if found is None or math.isnan(found.low):
            return ours.values[-1] == theirs.values[-1]
        return found.low <= 0 <= found.high


def difference(
    ours: Sequence[Evidence],
    theirs: Sequence[Evidence],
    references: Sequence[dict[str, np.ndarray]],
    bases: Sequence[dict[str, float]],
) -> Estimate:
    """How much higher (worse) the objective of one trial is than that of another, with its 95 % interval.

    Both drew the same photos, so their differences are paired; that tells recipes apart whose own intervals
    overlap widely. For the distance folds are taken as independent, each having drawings of its own; for the
    style what all folds make of a photo is one observation. Distance and style are taken as independent.

    Args:
        ours, theirs: results of both, by fold.
        references: features of each fold's drawings by extractor.
        bases: the base's KID on each fold by extractor.

    Returns:
        value, low, high; without bounds (nan) where a fold has a single drawing.
    """
    folds = len(ours)
    values, halves = [], []
    for mine, other, reference, base in zip(ours, theirs, references, bases, strict=True):
        pairs = [
            (_paired(reference[name], other.features[name], rows, name), max(base[name], NOISE))
            for name, rows in mine.features.items()
        ]
        values.append(float(np.mean([pair.value / scale for pair, scale in pairs])))
        # Extractors see the same pictures: their errors go together.
        halves.append(float(np.mean([(pair.high - pair.value) / scale for pair, scale in pairs])))
    missed = _by_photo([other.hits - mine.hits for mine, other in zip(ours, theirs, strict=True)])
    style, low, high = bootstrap_mean(missed)
    half = math.hypot(math.hypot(*halves) / folds, (high - low) / 2)
    value = sum(values) / folds + style
    n = sum(len(next(iter(r.values()))) for r in references)
    return Estimate(value, value - half, value + half, n, len(missed), "+".join(STEERING))


def _by_photo(folds: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over the folds of each row (rows,); a fold that keeps fewer photos misses the last ones."""
    rows = np.full((len(folds), max(map(len, folds))), np.nan)
    for row, fold in zip(rows, folds, strict=True):
        row[: len(fold)] = fold
    return np.nanmean(rows, 0)


def _paired(reference: np.ndarray, before: np.ndarray, after: np.ndarray, name: str) -> Estimate:
    if min(len(reference), len(after)) < 2:
        value = distance(reference, after, name).value - distance(reference, before, name).value
        return Estimate(value, math.nan, math.nan, len(reference), len(after), name)
    return kid_difference_interval(reference, before, after, extractor=name)

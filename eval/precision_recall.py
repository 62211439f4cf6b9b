"""Do results look like the drawings (precision, density), and show all that these show (recall, coverage)?

Improved precision and recall (Kynkaanniemi et al., arXiv 1904.06991, equations 1 and 2) and density and
coverage (Naeem et al., arXiv 2002.09797, equations 3 and 4), as pure functions of features. Around each
picture of a set lies a ball that reaches to its k-th nearest neighbour of the same set. With drawings x and
results y,

    precision = share of y inside any ball of an x        density  = mean number of balls of x around a y, / k
    recall    = share of x inside any ball of a y         coverage = share of x with a y in its ball

Balls are closed: a distance equal to the radius is inside, as in Kynkaanniemi et al. and torch-fidelity
(Naeem's code leaves the edge out, which differs for repeated pictures only). torch-fidelity's first input is
the results.

**What they estimate.** Radii shrink as sets grow, so there is no number of "the style" behind these, only the
mean over other sets of the same sizes: compare at equal n, m and k. The 95 % intervals are for that mean,
over new drawings as well as new results. Leaving one picture out changes the radii of a few neighbours; the
values with one picture left out give the jackknife variance, which by Efron and Stein (Ann. Statist. 9,
1981) is too large rather than too small on average. A share gets Wilson's interval at the number of
independent pictures that would have this variance, density a Student interval.

Measured with 300 pairs of sets each (30 and 30, 30 and 100, 100 and 100 pictures; normal, skewed and grouped
features; D of 16 and 500; equal, different, far): shares were held in 96-100 of 100, density in 93-100, by
intervals one to two times as wide as they had to be. They fail where results are so far that few lie in any
ball and drawings come in a few groups: 80-93 and 75-89, since the value then hangs on one rare drawing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from eval.checks import check_pair
from eval.errors import EvalError
from eval.intervals import Estimate, Z, student_quantile, wilson

SMALL = 50
"""Below this many pictures on a side a value is flagged: its balls are so large that they say little."""
K = 5
"""Neighbours that a ball reaches to, unless told: Naeem et al. use 5, Kynkaanniemi et al. 3 at 50,000
pictures."""


@dataclass(frozen=True)
class PrecisionRecall:
    """The four measures with their intervals; `n_x` counts drawings and `n_y` results in each."""

    precision: Estimate
    """Share of results that look like the drawings, in [0, 1]."""
    recall: Estimate
    """Share of drawings that look like the results, in [0, 1]; one far result alone can raise it."""
    density: Estimate
    """How deep results lie among the drawings: about 1 for equal distributions, not bounded by it."""
    coverage: Estimate
    """Share of drawings that have a result near them, in [0, 1]."""
    k: int
    """Neighbours that a ball reaches to."""


def precision_recall(
    drawings: np.ndarray, results: np.ndarray, *, k: int = K, extractor: str = ""
) -> PrecisionRecall:
    """Precision, recall, density and coverage of results (m, D) against drawings (n, D).

    Args:
        drawings: the reference set, n > k.
        results: the judged set, m > k.
        k: neighbours that a ball reaches to.
        extractor: name to print.

    Raises:
        EvalError: k below 1, no more than k pictures on a side, different D, or numbers that are not finite.
    """
    x, y = check_pair(drawings, results, least=1)
    few = min(len(x), len(y))
    if not 1 <= k < few:
        raise EvalError(
            f"{len(x)} drawings and {len(y)} results have no {k} neighbours each",
            f"use k from 1 to {few - 1}" if few > 1 else "give two or more pictures on each side",
        )
    across = _distances(x, y)
    of_drawings, of_results = _Balls.of(x, across, k), _Balls.of(y, across.T, k)
    notes = (f"small n ({few} < {SMALL})",) if few < SMALL else ()

    def estimate(value: float, low: float, high: float) -> Estimate:
        return Estimate(value, low, high, len(x), len(y), extractor, notes)

    precision = estimate(*_share(*of_drawings.inside_any(), of=len(y)))
    value, low, high = _mean(*of_drawings.density(k), fewest=few)
    # Nothing inside has no variance. A picture inside is in k balls on average where distributions are equal.
    high = high if value else precision.high
    return PrecisionRecall(
        precision=precision,
        recall=estimate(*_share(*of_results.inside_any(), of=len(x))),
        density=estimate(value, low, high),
        coverage=estimate(*_share(*of_drawings.coverage(), of=len(x))),
        k=k,
    )


@dataclass(frozen=True)
class _Balls:
    """Balls of n pictures and which of m others lie in them, now and with any one of the n left out.

    Each measure returns its value and its jackknife variance.
    """

    neighbour: np.ndarray
    """(n, n): whether leaving out i lets the ball of j grow."""
    inside: np.ndarray
    """(n, m): whether the other lies in the ball."""
    grown: np.ndarray
    """(n, m): whether it would if the ball reached to one neighbour more."""

    @classmethod
    def of(cls, rows: np.ndarray, across: np.ndarray, k: int) -> _Balls:
        """From features (n, D) and distances to the others (n, m)."""
        within = _distances(rows, rows)
        # Column 0 is the picture itself. With k + 1 pictures a ball has no farther neighbour to grow to.
        nearest = np.sort(within, 1)
        radius, next_radius = nearest[:, k], nearest[:, min(k + 1, len(rows) - 1)]
        neighbour = (within <= radius[:, None]).T & ~np.eye(len(rows), dtype=bool)
        return cls(
            neighbour.astype(np.float32),
            (across <= radius[:, None]).astype(np.float32),
            (across <= next_radius[:, None]).astype(np.float32),
        )

    def inside_any(self) -> tuple[float, float]:
        """Share of the others in any ball."""
        hits = np.asarray(self.inside.any(0))
        without = (self._counts_without() > 0).mean(1)
        return float(hits.mean()), _jackknife(without) + _jackknife(_left_out(hits))

    def density(self, k: int) -> tuple[float, float]:
        """Mean number of balls that one of the others is in, / k."""
        counts = self.inside.sum(0, dtype=np.float64) / k
        without = self._counts_without().mean(1) / k
        return float(counts.mean()), _jackknife(without) + _jackknife(_left_out(counts))

    def coverage(self) -> tuple[float, float]:
        """Share of balls with any of the others inside."""
        hits, grown = np.asarray(self.inside.any(1)), self.grown.any(1)
        n = len(hits)
        without = (hits.sum() - hits + self.neighbour @ (grown & ~hits)) / (n - 1)
        alone = self.inside[self.inside.sum(1) == 1].sum(0)
        return float(hits.mean()), _jackknife(without) + _jackknife((hits.sum() - alone) / n)

    def _counts_without(self) -> np.ndarray:
        """In how many balls each other is with the i-th ball gone and its neighbours' grown (n, m)."""
        return np.asarray(
            self.inside.sum(0) - self.inside + self.neighbour @ (self.grown - self.inside), np.float64
        )


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distances (n, m)."""
    # From differences rather than products: equal pictures are exactly 0 apart and ties stay ties.
    mode = "donot_use_mm_for_euclid_dist"
    return np.asarray(torch.cdist(torch.from_numpy(x), torch.from_numpy(y), compute_mode=mode))


def _left_out(values: np.ndarray) -> np.ndarray:
    """Mean of values (n,) without each one of them."""
    return np.asarray((values.sum() - values) / (len(values) - 1))


def _jackknife(values: np.ndarray) -> float:
    """Variance of a statistic from its values with each picture left out (n,)."""
    return float(np.square(values - values.mean()).sum()) * (len(values) - 1) / len(values)


def _share(value: float, variance: float, *, of: int) -> tuple[float, float, float]:
    """A share with Wilson's interval at the number of independent pictures that has this variance."""
    # A share of 0 or 1 has a variance of its own nonetheless, as if half a picture more had fallen each way.
    smoothed = (value * of + 0.5) / (of + 1)
    independent = min(float(of), smoothed * (1 - smoothed) / variance) if variance else float(of)
    independent = max(independent, 1.0)
    return value, *wilson(value * independent, independent)


def _mean(value: float, variance: float, *, fewest: int) -> tuple[float, float, float]:
    """A mean that is never negative with Student's interval."""
    half = student_quantile(Z, fewest - 1) * math.sqrt(variance)
    return value, max(0.0, value - half), value + half

"""Scores of pairs against the same scores of shuffled pairs, both with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.errors import EvalError
from eval.intervals import Estimate, percentiles, resample_counts

Floats = NDArray[np.float64]
Statistic = Callable[[Floats, np.ndarray, np.ndarray], Floats]
"""Weights of n pairs (B, n) and both sides (n, ...) to the score under each row of weights (B,)."""

SHUFFLES = 20
"""Derangements that the control is averaged over."""


@dataclass(frozen=True)
class Agreement:
    """One question about the two sides of a pair."""

    name: str
    """What is compared, with its unit."""
    real: Estimate
    """Of pairs that belong together."""
    shuffled: Estimate
    """Of each left side with the right side of another pair: the control."""
    higher_is_better: bool
    """True for correlations, False for distances."""

    @property
    def clear(self) -> bool:
        """Whether real pairs score better than shuffled ones with the intervals apart."""
        if self.higher_is_better:
            return self.real.low > self.shuffled.high
        return self.real.high < self.shuffled.low


def derangement(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """A uniformly random permutation of n >= 2 items that leaves none in its place.

    Raises:
        EvalError: fewer than two items.
    """
    if n < 2:
        raise EvalError(f"{n} pairs cannot be shuffled; expected two or more")
    while True:
        order = rng.permutation(n)
        if (order != np.arange(n)).all():
            return order


def compare_pairs(
    name: str,
    statistic: Statistic,
    left: np.ndarray,
    right: np.ndarray,
    *,
    higher_is_better: bool,
    extractor: str,
    n_boot: int = 2000,
    seed: int = 0,
) -> Agreement:
    """Score real and shuffled pairs, each with its bootstrap 95 % interval over the pairs.

    The shuffled score is the mean over `SHUFFLES` derangements. Both intervals come from the same resamples,
    in which a shuffled pair counts as often as both its members were drawn.

    Args:
        name: of the question.
        statistic: see `Statistic`; nan where the score is undefined.
        left, right: (n, ...), row i of both belongs together, n >= 2.
        higher_is_better: as in `Agreement`.
        extractor: name to print.
        n_boot: resamples.
        seed: of shuffling and resampling.

    Raises:
        EvalError: sides of different lengths or fewer than two pairs.
    """
    if len(left) != len(right):
        raise EvalError(f"{len(left)} and {len(right)} rows are no pairs; expected one of each")
    n, rng = len(left), np.random.default_rng(seed)
    weights = np.concatenate([np.ones((1, n)), resample_counts(n, n_boot, rng)])
    real = statistic(weights, left, right)
    orders = [derangement(n, rng) for _ in range(SHUFFLES)]
    shuffled = _finite_mean([statistic(weights * weights[:, o], left, right[o]) for o in orders])
    return Agreement(name, _estimate(real, n, extractor), _estimate(shuffled, n, extractor), higher_is_better)


def _finite_mean(scores: list[Floats]) -> Floats:
    """Mean over the first axis of what is finite: a resample may leave a score undefined."""
    finite = np.isfinite(scores)
    total = np.where(finite, scores, 0).sum(0)
    return np.divide(total, finite.sum(0), out=np.full(total.shape, np.nan), where=finite.any(0))


def _estimate(scores: Floats, n: int, extractor: str) -> Estimate:
    draws = scores[1:][np.isfinite(scores[1:])]
    if not len(draws):
        return Estimate(np.nan, np.nan, np.nan, n, n, extractor, ("undefined: a side is constant",))
    return Estimate(float(scores[0]), *percentiles(draws), n, n, extractor)


def rank_correlation(weights: Floats, x: np.ndarray, y: np.ndarray) -> Floats:
    """Spearman's correlation of x and y (n,), ties sharing their mean rank, under weights (B, n).

    Whole weights count a pair that many times. nan where a side is constant.
    """
    rx, ry = (_centred_ranks(weights, side) for side in (x, y))
    spread = (weights * rx**2).sum(1) * (weights * ry**2).sum(1)
    return (weights * rx * ry).sum(1) / np.sqrt(np.where(spread > 1e-9, spread, np.nan))


def _centred_ranks(weights: Floats, values: np.ndarray) -> Floats:
    order = np.argsort(values, kind="stable")
    _, starts, group = np.unique(values[order], return_index=True, return_inverse=True)
    tied = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(tied, axis=1) - tied / 2
    ranks = np.empty_like(weights)
    ranks[:, order] = middle[:, group] - weights.sum(1, keepdims=True) / 2
    return ranks


def mean_distance(weights: Floats, x: np.ndarray, y: np.ndarray) -> Floats:
    """Mean Euclidean distance of the rows of x and y (n, k) under weights (B, n)."""
    return weighted_mean(weights, np.linalg.norm(x - y, axis=1))


def weighted_mean(weights: Floats, values: np.ndarray) -> Floats:
    """Mean of values (n,) under weights (B, n); nan where all weights are zero."""
    total = weights.sum(1)
    return weights @ values / np.where(total > 0, total, np.nan)

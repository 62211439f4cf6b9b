"""Are results copies of the drawings trained on?

Two questions. `memorisation` flags single results that lie unusually near one training drawing.
`lean_to_training` asks of all results together whether they lie nearer to training drawings than to others by
the same hand, which a model that learned the style and not the pictures has no reason to do.

Use features that see the whole layout (`structure.structure_features`): style features are meant to be near
the drawings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eval.errors import EvalError
from eval.intervals import Estimate, proportion, wilson
from eval.structure import STRUCTURE

COPY_RATIO = 0.5
"""A result nearer to a drawing than this share of the usual distance between drawings counts as a copy."""
SPLITS = 2000
"""Random splits of the drawings that `lean_to_training` compares with."""
_FEW = 5


@dataclass(frozen=True)
class Memorisation:
    """Nearest training drawing of each result, against the distances between the drawings themselves."""

    ratio: np.ndarray
    """Distance to the nearest drawing over the drawings' median nearest-neighbour distance (M,)."""
    nearest: np.ndarray
    """Row of that drawing (M,)."""
    copied: Estimate
    """Share of results with a ratio below `COPY_RATIO`, with Wilson's interval."""
    flagged: tuple[int, ...]
    """Rows of those results, to look at."""


@dataclass(frozen=True)
class Lean:
    """Nearest training drawing against nearest held-out drawing."""

    share: Estimate
    """Share of results whose nearest drawing, of equally many on both sides, was trained on; 0.5 is chance.
    Wilson's interval over the results, with the drawings as they are."""
    p: float
    """Chance of so large a share or a larger one when drawings are split at random, one-sided."""
    compared: int
    """Drawings on each side that the share stands for."""
    to_training: np.ndarray
    """Distance of each result to its nearest training drawing (M,)."""
    to_heldout: np.ndarray
    """Distance of each result to its nearest held-out drawing (M,)."""


def memorisation(results: np.ndarray, drawings: np.ndarray, *, extractor: str = STRUCTURE) -> Memorisation:
    """Which results are copies of training drawings?

    Args:
        results: features (M, D), M >= 1.
        drawings: features (N, D) of the training drawings, N >= 2.
        extractor: name to print.

    Raises:
        EvalError: too few rows or different D.
    """
    results, drawings = _checked(results, drawings)
    own = _distances(drawings, drawings)
    np.fill_diagonal(own, np.inf)
    nearest_own = own.min(1)
    # Twin drawings have distance zero; they say nothing about the usual distance, so they are left out.
    distinct = nearest_own[nearest_own > 1e-6]
    usual = float(np.median(distinct)) if len(distinct) else 1e-6
    to_drawings = _distances(results, drawings)
    ratio = to_drawings.min(1) / usual
    copied = ratio < COPY_RATIO
    notes = ("fewer than 5 drawings: the usual distance is a rough guess",) if len(drawings) < _FEW else ()
    flagged = tuple(int(i) for i in np.flatnonzero(copied))
    return Memorisation(
        ratio, to_drawings.argmin(1), proportion(copied, len(drawings), extractor, notes), flagged
    )


def lean_to_training(
    results: np.ndarray,
    training: np.ndarray,
    heldout: np.ndarray,
    *,
    extractor: str = STRUCTURE,
    splits: int = SPLITS,
    seed: int = 0,
) -> Lean:
    """Do results lie nearer to the drawings trained on than to held-out ones by the same hand?

    The nearest of 40 drawings is nearer than the nearest of 10 by luck, so the larger side counts as if it
    had as many as the smaller one: the expected value over all subsets of that size, in closed form.

    The results share their drawings, so they are no independent witnesses and a test over results would find
    memorisation where one drawing happens to look like many photos. The drawings are what was sampled: if
    training left no trace, it does not matter which of them it saw, so the share is compared with the same
    share under random splits of all drawings into two sides of these sizes (a permutation test: exact if both
    sides come from one pool, such as one series of pictures; held-out drawings of other subjects raise the
    share by themselves).

    Args:
        results: features (M, D), M >= 1.
        training: features (N, D) of the drawings trained on, N >= 2.
        heldout: features (K, D) of other drawings by the same hand, K >= 2.
        extractor: name to print.
        splits: random splits; the smallest p is 1 / (splits + 1).
        seed: of the splits.

    Raises:
        EvalError: too few rows or different D.
    """
    results, training = _checked(results, training)
    results, heldout = _checked(results, heldout)
    rng = np.random.default_rng(seed)
    apart = _distances(results, np.concatenate([training, heldout]))
    trained = np.arange(apart.shape[1]) < len(training)
    # Drawings in random order first: a twin on both sides must not always count for the same one.
    order = rng.permutation(len(trained))
    nearest_first = order[np.argsort(apart[:, order], axis=1, kind="stable")]
    shares = _nearer(nearest_first, trained)
    observed = shares.mean()
    drawn = [_nearer(nearest_first, rng.permutation(trained)).mean() for _ in range(splits)]
    extreme = int(np.count_nonzero(np.array(drawn) >= observed - 1e-12))
    m, compared = len(results), min(len(training), len(heldout))
    low, high = wilson(round(float(shares.sum())), m)
    notes = (f"only {compared} drawings on a side: p says little",) if compared < _FEW else ()
    share = Estimate(float(observed), low, high, 2 * compared, m, extractor, notes)
    sides = apart[:, trained].min(1), apart[:, ~trained].min(1)
    return Lean(share, (1 + extreme) / (1 + splits), compared, *sides)


def _nearer(nearest_first: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """Chance for each result (M,) that its nearest drawing is a trained one, of equally many on both sides.

    With a side of n against one of m <= n whose nearest has c of the n before it, a random m of the n hold
    none of those c with probability C(n - c, m) / C(n, m).
    """
    n, m = int(trained.sum()), int((~trained).sum())
    few = trained if n < m else ~trained
    n, m = max(n, m), min(n, m)
    before = few[nearest_first].argmax(1)
    none_before = np.array([math.comb(n - c, m) for c in range(n + 1)], float) / math.comb(n, m)
    return none_before[before] if few is trained else 1 - none_before[before]


def _checked(results: np.ndarray, drawings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    results, drawings = (np.asarray(f, np.float64) for f in (results, drawings))
    shapes = f"{results.shape} and {drawings.shape}"
    if results.ndim != 2 or drawings.ndim != 2 or results.shape[1] != drawings.shape[1]:
        raise EvalError(f"expected features (M, D) and (N, D); found {shapes}")
    if len(results) < 1 or len(drawings) < 2:
        raise EvalError(f"memorisation needs a result and two drawings; found {shapes}")
    return results, drawings


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    squared = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return np.sqrt(np.maximum(squared, 0))

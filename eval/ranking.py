"""Scores of ranked drawings: fair between galleries of unequal sizes, and average precision."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from eval.checks import check_features
from eval.distances import Scale
from eval.errors import EvalError


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows (N, D) at length one; a row of zeros stays as it is."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def check_gallery(
    gallery: Mapping[str, np.ndarray], dim: int, names: Mapping[str, Sequence[str]] | None = None
) -> dict[str, np.ndarray]:
    """Features (N, dim) float64 per style; `names` of the rows are for errors.

    Raises:
        EvalError: a style without rows, of another length, or with nan or infinity; it is named.
    """
    for style, features in gallery.items():
        if np.ndim(features) != 2 or not len(features) or np.shape(features)[1] != dim:
            found = np.shape(features)
            raise EvalError(f"{style}: expected features (N, {dim}), N >= 1; found {found}")
    called = names or {style: [f"row {row}" for row in range(len(gallery[style]))] for style in gallery}
    return {
        style: check_features(features, [f"{style}/{name}" for name in called[style]])
        for style, features in gallery.items()
    }


def gallery_scale(gallery: Mapping[str, np.ndarray]) -> Scale:
    """Mean and spread of features (N, D) in which each style has the same say, whatever its size."""
    shift = np.mean([rows.mean(0) for rows in gallery.values()], 0)
    variance = np.mean([((rows - shift) ** 2).mean(0) for rows in gallery.values()], 0)
    return Scale(shift, np.sqrt(variance) + max(1e-3 * math.sqrt(float(variance.max())), 1e-12))


def equal_size_score(cosines: np.ndarray, size: int, k: int) -> np.ndarray:
    """Expected mean of the k largest of `size` cosines drawn from each row of (Q, N), none twice: (Q,)."""
    return -np.sort(-cosines, axis=1) @ np.asarray(_share_of_each(cosines.shape[1], size, k)) / k


@functools.lru_cache(4096)
def _share_of_each(n: int, size: int, k: int) -> tuple[float, ...]:
    """Probability of each of n ranks to be among the k largest of a subset of `size`.

    The r-th largest of n is among them when it is drawn and at most k - 1 of the r - 1 larger ones are: a
    hypergeometric probability, the same for every query.
    """
    total = math.comb(n, size)
    return tuple(
        sum(math.comb(r, j) * math.comb(n - r - 1, size - 1 - j) for j in range(min(k, r + 1, size))) / total
        for r in range(n)
    )


def average_precision(cosines: Mapping[str, np.ndarray], target: str, k: int) -> np.ndarray:
    """Average precision of the first k gallery pictures of each query (Q,)."""
    own = np.concatenate([np.full(c.shape[1], s == target) for s, c in cosines.items()])
    joined = np.concatenate(list(cosines.values()), 1)
    k = min(k, joined.shape[1])
    hits = own[np.argsort(-joined, axis=1, kind="stable")[:, :k]]
    precision = hits.cumsum(1) / np.arange(1, k + 1)
    return (precision * hits).sum(1) / min(k, int(own.sum()))

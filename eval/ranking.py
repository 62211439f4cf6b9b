"""Scores of ranked drawings: fair between galleries of unequal sizes, and average precision."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows (N, D) at length one; a row of zeros stays as it is."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def equal_size_score(cosines: np.ndarray, size: int, k: int) -> np.ndarray:
    """Expected mean of the k largest of `size` cosines drawn from each row of (Q, N), none twice: (Q,).

    The r-th largest of N is among the k largest of the subset when it is drawn and at most k - 1 of the r - 1
    larger ones are: a hypergeometric probability, the same for every query.
    """
    n = cosines.shape[1]
    total = math.comb(n, size)
    weights = [
        sum(math.comb(r, j) * math.comb(n - r - 1, size - 1 - j) for j in range(min(k, r + 1, size))) / total
        for r in range(n)
    ]
    return -np.sort(-cosines, axis=1) @ np.asarray(weights) / k


def average_precision(cosines: Mapping[str, np.ndarray], target: str, k: int) -> np.ndarray:
    """Average precision of the first k gallery pictures of each query (Q,)."""
    own = np.concatenate([np.full(c.shape[1], s == target) for s, c in cosines.items()])
    joined = np.concatenate(list(cosines.values()), 1)
    k = min(k, joined.shape[1])
    hits = own[np.argsort(-joined, axis=1, kind="stable")[:, :k]]
    precision = hits.cumsum(1) / np.arange(1, k + 1)
    return (precision * hits).sum(1) / min(k, int(own.sum()))

"""The kernel of KID and the mean over pairs that makes it unbiased."""

from __future__ import annotations

import numpy as np


def polynomial_kernel(
    x: np.ndarray, y: np.ndarray, *, degree: int = 3, gamma: float | None = None, coef0: float = 1
) -> np.ndarray:
    """`(gamma x.y + coef0)^degree` for rows of (n, D) and (m, D): `(n, m)`; gamma is 1/D unless given."""
    return (x @ y.T * (1 / x.shape[1] if gamma is None else gamma) + coef0) ** degree


def mean_of_pairs(kernel: np.ndarray) -> float:
    """Mean of a square kernel matrix (n, n) without its diagonal, n >= 2."""
    n = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (n * (n - 1))

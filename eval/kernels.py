"""The kernel of KID, and KID of many weighted resamples from kernel matrices computed once."""

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


class KidResampler:
    """KID of weighted resamples, from kernel matrices computed once.

    A resample is a count per original picture. The unbiased estimate leaves out pairs of a picture with
    itself; in a resample those are all pairs with the same ORIGINAL index, also when the picture was drawn
    twice. Leaving out only equal positions would let duplicates meet themselves, whose kernel value is the
    largest there is: every resample would come out too large by about (k(x, x) - k(x, x'))/n. By original
    index the bootstrap is centred on the point estimate.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.k_xx, self.k_yy = polynomial_kernel(x, x), polynomial_kernel(y, y)
        self.k_xy = polynomial_kernel(x, y)

    def __call__(self, x_counts: np.ndarray, y_counts: np.ndarray) -> np.ndarray:
        """KID (B,) of resamples with counts (B, n) and (B, m)."""
        cross = ((x_counts @ self.k_xy) * y_counts).sum(1) / (x_counts.sum(1) * y_counts.sum(1))
        return self._within(self.k_xx, x_counts) + self._within(self.k_yy, y_counts) - 2 * cross

    @staticmethod
    def _within(kernel: np.ndarray, counts: np.ndarray) -> np.ndarray:
        squares = counts**2
        pairs = counts.sum(1) ** 2 - squares.sum(1)
        # One picture drawn n times over has no pair (chance n^(1-n)): its own kernel value stands in.
        lone = pairs == 0
        inner = ((counts @ kernel) * counts).sum(1) - squares @ np.diag(kernel)
        return np.where(lone, squares @ np.diag(kernel) / squares.sum(1), inner / np.where(lone, 1, pairs))

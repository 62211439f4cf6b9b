"""The estimate of KID, or of a difference of two KIDs, with the parts of its variance.

Both are the same two-sample U-statistic of three matrices of kernel values: X within itself, Y within itself,
and X with Y,

    T = mean_{i != j} A(x_i, x_j) + mean_{i != j} B(y_i, y_j) - 2 mean C(x_i, y_j).

For KID all three hold k. For KID(D, after) - KID(D, before) a row y is a photo with both its results, A is
zero, B = k(after, after') - k(before, before') and C = k(d, after) - k(d, before).

Hoeffding's decomposition splits T - E[T] into uncorrelated parts: the linear part, 2 g(x) / n and 2 g(y) / m
summed, where g is the witness function; and the part of pairs, made of the doubly centred kernels. With tau
the mean square of a doubly centred kernel,

    Var T = 4 Var g(x) / n + 4 Var g(y) / m
            + 2 tau_A / (n (n - 1)) + 2 tau_B / (m (m - 1)) + 4 tau_C / (n m),

as in Sutherland et al. (arXiv 1611.04488, appendix A). Every part is estimated without bias: tau of a square
matrix from its U-centred form (Szekely and Rizzo, Ann. Statist. 42, 2014), tau_C as the residual of a two-way
table, and the variances of g from the row means, less what the pairs add to those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_SKEWNESS_ROWS = 256
"""Rows of a side that the skewness is measured on at most, since its cost grows with the cube; it does not
depend on n, only on the proportion of the sides."""
_UNBIASED = 4
"""Fewest rows with an unbiased tau. Below, the plainly centred matrix stands in; its diagonal makes it
larger."""
_ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""Of the largest kernel value: a deviation this small is how the values were rounded, not how they spread."""


@dataclass(frozen=True)
class Moments:
    """The estimate and the parts of its variance."""

    value: float
    """T, unbiased."""
    linear_x: float
    """Variance of the linear part of X, unbiased, so it may come out negative."""
    linear_y: float
    """The same of Y."""
    pairs: float
    """Variance of the part of pairs: all there is between equal distributions."""
    jackknife: float
    """Variance of the row means as they are: `linear` and twice `pairs` on average, and never negative."""
    bias: float
    """How much larger T comes out if every picture also meets itself."""
    skewness: float
    """Of the part of pairs."""
    n_x: int
    """Rows of X."""
    n_y: int
    """Rows of Y."""

    @property
    def linear(self) -> float:
        """Variance of the linear part, at least 0."""
        return max(self.linear_x + self.linear_y, 0.0)

    @property
    def variance(self) -> float:
        """Variance of T, at least that of the pairs."""
        return self.linear + self.pairs


def moments(within_x: np.ndarray, within_y: np.ndarray, cross: np.ndarray) -> Moments:
    """From A (n, n), B (m, m) and C (n, m); A and B symmetric, n and m at least 2."""
    n, m = cross.shape
    diagonal_x, diagonal_y = np.diag(within_x), np.diag(within_y)
    rows_x = (within_x.sum(1) - diagonal_x) / (n - 1)
    rows_y = (within_y.sum(1) - diagonal_y) / (m - 1)
    witness_x, witness_y = rows_x - cross.mean(1), rows_y - cross.mean(0)
    largest = max(float(np.abs(kernel).max()) for kernel in (within_x, within_y, cross))

    def spread(square: float) -> float:
        return square if square > (_ROUNDING * largest) ** 2 else 0.0

    variance_x, variance_y = spread(witness_x.var(ddof=1)), spread(witness_y.var(ddof=1))
    tau_x, tau_y = spread(_tau(within_x)), spread(_tau(within_y))
    tau_cross = spread(float(np.square(_centred(cross)).sum()) / ((n - 1) * (m - 1)))
    return Moments(
        value=float(rows_x.mean() + rows_y.mean() - 2 * cross.mean()),
        linear_x=4 / n * (variance_x - tau_x * (n - 2) / (n - 1) ** 2 - tau_cross / m),
        linear_y=4 / m * (variance_y - tau_y * (m - 2) / (m - 1) ** 2 - tau_cross / n),
        pairs=2 * tau_x / (n * (n - 1)) + 2 * tau_y / (m * (m - 1)) + 4 * tau_cross / (n * m),
        jackknife=4 * variance_x / n + 4 * variance_y / m,
        bias=float((diagonal_x - rows_x).mean() / n + (diagonal_y - rows_y).mean() / m),
        skewness=_skewness(within_x, within_y, cross),
        n_x=n,
        n_y=m,
    )


def _centred(kernel: np.ndarray) -> np.ndarray:
    """Without the means of rows and columns."""
    return np.asarray(kernel - kernel.mean(0) - kernel.mean(1)[:, None] + kernel.mean())


def _u_centred(kernel: np.ndarray) -> np.ndarray:
    """Square and symmetric (n, n): off the diagonal an unbiased doubly centred kernel, zero on it."""
    n = len(kernel)
    bare = kernel.copy()
    np.fill_diagonal(bare, 0)
    rows = bare.sum(1) / (n - 2)
    bare += rows.sum() / (n - 1) - rows[:, None] - rows
    np.fill_diagonal(bare, 0)
    return bare


def _tau(kernel: np.ndarray) -> float:
    n = len(kernel)
    if n < _UNBIASED:
        return float(np.square(_centred(kernel)).sum()) / (n - 1) ** 2
    return float(np.square(_u_centred(kernel)).sum()) / (n * (n - 3))


def _skewness(within_x: np.ndarray, within_y: np.ndarray, cross: np.ndarray) -> float:
    """8 tr M^3 / (2 tr M^2)^(3/2), M the doubly centred kernels of all rows with weights 1/n and 1/m.

    The part of pairs tends to a sum of squares of normal numbers weighted with the eigenvalues of M.
    """
    n, m = cross.shape
    step = math.ceil(max(n, m) / _SKEWNESS_ROWS)
    x, y = (slice(None, None, min(step, max(1, rows // 8))) for rows in (n, m))
    within_x, within_y, cross = within_x[x, x], within_y[y, y], cross[x, y]
    if min(cross.shape) < _UNBIASED:
        return 0.0
    sides = [np.full(few, 1 / math.sqrt(few * rows)) for few, rows in zip(cross.shape, (n, m), strict=True)]
    weights, across = np.concatenate(sides), _centred(cross)
    joint = np.block([[_u_centred(within_x), -across], [-across.T, _u_centred(within_y)]])
    joint *= weights[:, None] * weights
    variance = 2 * float(np.square(joint).sum())
    return 8 * float(((joint @ joint) * joint).sum()) / variance**1.5 if variance > 0 else 0.0

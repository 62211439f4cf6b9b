"""KID and FID from features, with intervals: pure functions of `(n, D)` arrays.

KID is the squared maximum mean discrepancy with a polynomial kernel (Binkowski et al., arXiv 1801.01401),
unbiased at any n. FID is the Frechet distance of two Gaussians (Heusel et al., arXiv 1706.08500), biased
upwards at small n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eval.checks import check_features, check_pair
from eval.errors import EvalError
from eval.intervals import Estimate, Z, student_quantile
from eval.kernels import mean_of_pairs, polynomial_kernel
from eval.kid_intervals import fieller, inverted, wide
from eval.kid_moments import Moments, moments

KID_SMALL = 25
"""Below this many pictures on a side an interval is flagged: so few say little about their own spread."""
FID_SMALL = 2048
"""Below this many pictures FID is biased and compares with no published number."""


@dataclass(frozen=True)
class Scale:
    """Standardisation of features before KID.

    The kernel (x.y/D + 1)^3 is made for entries of size one: with larger ones only the cubic term counts,
    with smaller ones only the mean. `style`, `random`, `colour-edge` and `inception` features have a suitable
    fixed scale and are used as they are (`Extractor.standardised`). For the others fit a scale on the
    reference drawings and their negatives together, never on results: then every result is measured with the
    same ruler.
    """

    shift: np.ndarray
    """Mean of each feature (D,)."""
    spread: np.ndarray
    """Standard deviation of each feature (D,), at least a thousandth of the largest."""

    @classmethod
    def fit(cls, *features: np.ndarray) -> Scale:
        """From one or more `(n, D)` arrays pooled."""
        pooled = np.concatenate([check_features(f) for f in features])
        spread = pooled.std(0)
        return cls(pooled.mean(0), np.maximum(spread, max(1e-3 * float(spread.max()), 1e-12)))

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Standardised copy `(n, D)` float64."""
        return (np.asarray(features, np.float64) - self.shift) / self.spread


def kid(
    x: np.ndarray, y: np.ndarray, *, degree: int = 3, gamma: float | None = None, coef0: float = 1
) -> float:
    """Unbiased KID on all pictures, closed form; may be slightly below zero for equal distributions.

    Args:
        x: features (n, D), n >= 2.
        y: features (m, D), m >= 2.
        degree: of the polynomial kernel.
        gamma: factor of the scalar product; 1/D unless given.
        coef0: constant of the kernel.

    Raises:
        EvalError: fewer than two rows, different D, or numbers that are not finite.
    """
    x, y = check_pair(x, y)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return polynomial_kernel(a, b, degree=degree, gamma=gamma, coef0=coef0)

    return float(mean_of_pairs(kernel(x, x)) + mean_of_pairs(kernel(y, y)) - 2 * kernel(x, y).mean())


def kid_subsets(
    x: np.ndarray, y: np.ndarray, *, subsets: int = 100, subset_size: int = 1000, seed: int = 2020
) -> tuple[float, float]:
    """Mean and standard deviation of KID over random subsets, as in torch-fidelity and published numbers.

    The same subsets as torch-fidelity draws with the same seed. The deviation is that of overlapping subsets,
    not an interval: `kid_interval` gives one.

    Raises:
        EvalError: fewer pictures than `subset_size`.
    """
    x, y = check_pair(x, y)
    if min(len(x), len(y)) < subset_size or subset_size < 2:
        raise EvalError(
            f"KID subsets of {subset_size} need 2 or more and at most as many as there are pictures; "
            f"found {len(x)} and {len(y)}",
            f"use subset_size={min(len(x), len(y))} or kid(), which takes all pictures",
        )
    rng = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        rows = rng.choice(len(x), subset_size, replace=False)
        values.append(kid(x[rows], y[rng.choice(len(y), subset_size, replace=False)]))
    return float(np.mean(values)), float(np.std(values))


def fid(x: np.ndarray, y: np.ndarray) -> float:
    """Frechet distance of Gaussians fitted to features (n, D) and (m, D); exact at any n.

    Covariances are the unbiased ones. With centred rows X and Y, trace((Cx Cy)^1/2) is the nuclear norm of X
    Y^T / sqrt((n-1)(m-1)): n x m numbers, no D x D matrix root. Where n > D, X is first replaced by the R
    factor of its QR decomposition, which has the same covariance, so the matrix is never larger than D x D
    either.

    Raises:
        EvalError: as `kid`.
    """
    x, y = check_pair(x, y)
    shift = x.mean(0) - y.mean(0)
    roots = [_covariance_root(side) for side in (x, y)]
    traces = sum(float((root**2).sum()) for root in roots)
    return float(shift @ shift + traces - 2 * np.linalg.norm(roots[0] @ roots[1].T, "nuc"))


def _covariance_root(rows: np.ndarray) -> np.ndarray:
    """R of at most D rows with R^T R the unbiased covariance of `rows`."""
    centred = (rows - rows.mean(0)) / math.sqrt(len(rows) - 1)
    return centred if len(rows) <= rows.shape[1] else np.asarray(np.linalg.qr(centred, mode="r"))


def fid_notes(n_x: int, n_y: int) -> tuple[str, ...]:
    """What to print beside an FID of these n."""
    small = min(n_x, n_y)
    return (
        (f"n = {small} < {FID_SMALL}: biased upwards, compare only at equal n",) if small < FID_SMALL else ()
    )


def kid_interval(x: np.ndarray, y: np.ndarray, *, extractor: str = "") -> Estimate:
    """KID of features (n, D) and (m, D) with its 95 % interval; see `kid_intervals` for how and how well.

    Few pictures are flagged in `notes`, never refused. Milliseconds at 100 pictures, nothing random in it.

    Raises:
        EvalError: as `kid`.
    """
    x, y = check_pair(x, y)
    found = _moments(x, y)
    return Estimate(found.value, *inverted(found), len(x), len(y), extractor, _notes(len(x), len(y)))


def kid_difference_interval(
    drawings: np.ndarray, before: np.ndarray, after: np.ndarray, *, extractor: str = ""
) -> Estimate:
    """KID(drawings, after) - KID(drawings, before) with its 95 % interval; below 0 is better than before.

    What two models made of the same photos differs much less than two sets of photos do, so this tells models
    apart whose own intervals overlap widely. Where it spares 0 the models differ.

    Args:
        drawings: features (n, D) of the artist's drawings.
        before: features (m, D) of m photos in the old style.
        after: features (m, D) of the same photos, same order, in the new style.
        extractor: name to print.

    Raises:
        EvalError: as `kid`, or when `before` and `after` have different lengths.
    """
    _, _, difference = _paired(drawings, before, after)
    n, m = difference.n_x, difference.n_y
    return Estimate(difference.value, *wide(difference), n, m, extractor, _notes(n, m))


def kid_twins_interval(x: np.ndarray, y: np.ndarray, *, extractor: str = "") -> Estimate:
    """KID between what two models made of the same photos, with its 95 % interval.

    Two results of one photo are alike whatever their styles, so they are not compared with each other: among
    all pairs they make KID too low, by more than the interval is wide. This is the estimator of Gretton et
    al. (JMLR 13, 2012, lemma 6, equation 3), whose rows are pairs; its interval is symmetric, Student's with
    the jackknife variance over photos, which errs on the wide side.

    Args:
        x, y: features (n, D), row i of both of the same photo.
        extractor: name to print.

    Raises:
        EvalError: as `kid`, or other lengths.
    """
    x, y = check_pair(x, y)
    n = len(x)
    if len(y) != n:
        raise EvalError(
            f"{n} and {len(y)} results: expected those of the same photos",
            "give both results of each photo, in the same order",
        )
    cross = polynomial_kernel(x, y)
    joint = polynomial_kernel(x, x) + polynomial_kernel(y, y) - cross - cross.T
    np.fill_diagonal(joint, 0)
    rows = joint.sum(1)
    value, half = float(rows.sum() / (n * (n - 1))), math.inf
    if n > 2:
        without = (rows.sum() - 2 * rows) / ((n - 1) * (n - 2))
        half = student_quantile(Z, n - 1) * math.sqrt((n - 1) / n * float(np.square(without - value).sum()))
    return Estimate(value, value - half, value + half, n, n, extractor, _notes(n, n))


def kid_ratio_interval(
    drawings: np.ndarray, before: np.ndarray, after: np.ndarray, *, extractor: str = ""
) -> Estimate:
    """KID(drawings, after) / KID(drawings, before) with its 95 % interval; below 1 is better than before.

    Arguments and errors as `kid_difference_interval`. The interval is Fieller's. An upper end that is
    infinite means that the old style is no measurable distance away.
    """
    old, new, difference = _paired(drawings, before, after)
    n, m = difference.n_x, difference.n_y
    notes = _notes(n, m)
    if old.value <= 0:
        notes += ("KID before is not above zero: the ratio says nothing",)
    value = new.value / old.value if old.value > 0 else math.inf
    return Estimate(value, *fieller(old, new, difference), n, m, extractor, notes)


def _moments(x: np.ndarray, y: np.ndarray) -> Moments:
    return moments(polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y))


def _paired(drawings: np.ndarray, before: np.ndarray, after: np.ndarray) -> tuple[Moments, Moments, Moments]:
    """KID before, KID after, and their difference."""
    drawings, before = check_pair(drawings, before)
    drawings, after = check_pair(drawings, after)
    if len(before) != len(after):
        raise EvalError(
            f"{len(before)} results before and {len(after)} after: rows must show the same photos",
            "give both the results of the same photos, in the same order",
        )
    own = polynomial_kernel(drawings, drawings)
    within = [polynomial_kernel(side, side) for side in (before, after)]
    across = [polynomial_kernel(drawings, side) for side in (before, after)]
    return (
        moments(own, within[0], across[0]),
        moments(own, within[1], across[1]),
        moments(np.zeros_like(own), within[1] - within[0], across[1] - across[0]),
    )


def _notes(n_x: int, n_y: int) -> tuple[str, ...]:
    small = min(n_x, n_y)
    return (f"small n ({small} < {KID_SMALL})",) if small < KID_SMALL else ()

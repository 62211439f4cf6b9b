"""KID and FID from features, with intervals: pure functions of `(n, D)` arrays.

KID is the squared maximum mean discrepancy with a polynomial kernel (Binkowski et al., arXiv 1801.01401),
unbiased at any n. FID is the Frechet distance of two Gaussians (Heusel et al., arXiv 1706.08500), biased
upwards at small n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eval.errors import EvalError
from eval.intervals import Estimate, percentiles, resample_counts
from eval.kernels import KidResampler, mean_of_pairs, polynomial_kernel

KID_SMALL = 25
"""Below this many pictures on a side an interval is flagged: resampling so few understates the spread."""
FID_SMALL = 2048
"""Below this many pictures FID is biased and compares with no published number."""


@dataclass(frozen=True)
class Scale:
    """Standardisation of features before KID.

    The kernel (x.y/D + 1)^3 is made for entries of size one: with larger ones only the cubic term counts,
    with smaller ones only the mean. `random`, `colour-edge` and `inception` features have a suitable fixed
    scale and are used as they are (`Extractor.standardised`). For the others fit a scale on the reference
    drawings and their negatives together, never on results: then every result is measured with the same
    ruler.
    """

    shift: np.ndarray
    """Mean of each feature (D,)."""
    spread: np.ndarray
    """Standard deviation of each feature (D,), at least a thousandth of the largest."""

    @classmethod
    def fit(cls, *features: np.ndarray) -> Scale:
        """From one or more `(n, D)` arrays pooled."""
        pooled = np.concatenate([_checked(f, 1) for f in features])
        spread = pooled.std(0)
        return cls(pooled.mean(0), np.maximum(spread, max(1e-3 * float(spread.max()), 1e-12)))

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Standardised copy `(n, D)` float64."""
        return (np.asarray(features, np.float64) - self.shift) / self.spread


def _checked(features: np.ndarray, least: int) -> np.ndarray:
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < least:
        raise EvalError(f"expected features (n, D) with n >= {least}; found shape {features.shape}")
    if not np.isfinite(features).all():
        raise EvalError("features contain nan or infinity", "look for a result picture that is not finite")
    return features


def _pair(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = _checked(x, 2), _checked(y, 2)
    if x.shape[1] != y.shape[1]:
        raise EvalError(
            f"features of {x.shape[1]} and {y.shape[1]} numbers", "use one extractor for both sides"
        )
    return x, y


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
    x, y = _pair(x, y)

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
    x, y = _pair(x, y)
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
    x, y = _pair(x, y)
    shift = x.mean(0) - y.mean(0)
    roots = [_covariance_root(side) for side in (x, y)]
    traces = sum(float((root**2).sum()) for root in roots)
    return float(shift @ shift + traces - 2 * np.linalg.norm(roots[0] @ roots[1].T, "nuc"))


def _covariance_root(rows: np.ndarray) -> np.ndarray:
    """R of at most D rows with R^T R the unbiased covariance of `rows`."""
    centred = (rows - rows.mean(0)) / math.sqrt(len(rows) - 1)
    return centred if len(rows) <= rows.shape[1] else np.asarray(np.linalg.qr(centred, mode="r"))


def _notes(n_x: int, n_y: int) -> tuple[str, ...]:
    small = min(n_x, n_y)
    return (f"small n ({small} < {KID_SMALL})",) if small < KID_SMALL else ()


def kid_interval(
    x: np.ndarray, y: np.ndarray, *, n_boot: int = 2000, seed: int = 0, extractor: str = ""
) -> Estimate:
    """KID of features (n, D) and (m, D) with its bootstrap 95 % interval.

    Both sides are resampled independently. Between equal distributions KID is a degenerate statistic and the
    interval is then wider than it need be. Few pictures are flagged in `notes`, never refused.

    Raises:
        EvalError: as `kid`.
    """
    x, y = _pair(x, y)
    rng = np.random.default_rng(seed)
    draws = KidResampler(x, y)(resample_counts(len(x), n_boot, rng), resample_counts(len(y), n_boot, rng))
    return Estimate(kid(x, y), *percentiles(draws), len(x), len(y), extractor, _notes(len(x), len(y)))


def kid_ratio_interval(
    drawings: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    *,
    n_boot: int = 2000,
    seed: int = 0,
    extractor: str = "",
) -> Estimate:
    """KID(after, drawings) / KID(before, drawings) with its 95 % interval; below 1 is better than before.

    Args:
        drawings: features (n, D) of the artist's drawings.
        before: features (m, D) of m photos in the old style.
        after: features (m, D) of the same photos, same order, in the new style.
        n_boot: resamples.
        seed: of the resampling.
        extractor: name to print.

    Photos are resampled in pairs, since row i of both sides shows one photo, and drawings independently. A
    resample where KID(before) is not positive counts as infinite, so an upper end that is infinite means that
    the old style is no measurable distance away.

    Raises:
        EvalError: as `kid`, or when `before` and `after` have different lengths.
    """
    drawings, before = _pair(drawings, before)
    drawings, after = _pair(drawings, after)
    if len(before) != len(after):
        raise EvalError(
            f"{len(before)} results before and {len(after)} after: rows must show the same photos"
        )
    rng = np.random.default_rng(seed)
    of_drawings = resample_counts(len(drawings), n_boot, rng)
    of_photos = resample_counts(len(before), n_boot, rng)
    below = KidResampler(drawings, before)(of_drawings, of_photos)
    above = KidResampler(drawings, after)(of_drawings, of_photos)
    draws = np.where(below > 0, above / np.where(below > 0, below, 1), np.inf)
    base = kid(drawings, before)
    value = kid(drawings, after) / base if base > 0 else math.inf
    notes = _notes(len(drawings), len(before))
    if base <= 0:
        notes += ("KID before is not above zero: the ratio says nothing",)
    return Estimate(value, *percentiles(draws), len(drawings), len(before), extractor, notes)


def fid_notes(n_x: int, n_y: int) -> tuple[str, ...]:
    """What to print beside an FID of these n."""
    small = min(n_x, n_y)
    return (
        (f"n = {small} < {FID_SMALL}: biased upwards, compare only at equal n",) if small < FID_SMALL else ()
    )

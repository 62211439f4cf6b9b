"""PSNR and SSIM: how near is a result to the one right answer, where there is one.

Pixel measures need pairs. Between pictures of another scene, or another of several right answers, they say
nothing; both reward a blurred guess, so print a constant picture's value beside them.
"""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from eval.errors import EvalError
from eval.intervals import Estimate, bootstrap_mean

WINDOW = 11
"""Side of SSIM's Gaussian window, px; smaller pictures have no SSIM."""

MOST_DB = 100.0
"""PSNR of equal pictures in a mean: nearer than 8 bits can be apart (48 dB for one level everywhere)."""
SSIM_TEXT = "SSIM: 11x11 Gaussian, sigma 1.5, K1 0.01, K2 0.03, mean of the RGB channels"


def psnr(results: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of each pair, `10 log10(R² / MSE)`, in dB.

    Args:
        results, targets: `(N, C, H, W)` of one dtype: uint8 (R = 255) or float in [0, 1] (R = 1).

    Returns:
        `(N,)` float64, infinite for equal pictures. MSE is over all channels and pixels of a picture, as in
        `skimage.metrics.peak_signal_noise_ratio`.

    Raises:
        EvalError: different shapes or dtypes, no pictures, or values outside the range.
    """
    peak = _check(results, targets)
    error = ((results.astype(np.float64) - targets) ** 2).mean((1, 2, 3))
    with np.errstate(divide="ignore"):
        return 10 * np.log10(peak**2 / error)


def ssim(results: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Structural similarity of each pair (Wang et al. 2004), in [-1, 1]; 1 for equal pictures.

    As published: an 11x11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, windows
    wholly inside the picture only. This is `skimage.metrics.structural_similarity` with
    `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`. Wang et al. measure grey pictures; here
    each channel is measured and their mean taken, as is usual for colour.

    Args:
        results, targets: as for `psnr`, sides of `WINDOW` px or more.

    Returns:
        `(N,)` float64.

    Raises:
        EvalError: as `psnr`, or pictures smaller than the window.
    """
    peak = _check(results, targets)
    if min(results.shape[2:]) < WINDOW:
        raise EvalError(f"SSIM needs pictures of {WINDOW} px or more; found {results.shape[2:]}")
    # In single precision the variances of bright flat areas cancel, so the floats are widened first.
    pairs = zip(results.astype(np.float64), targets.astype(np.float64), strict=True)
    values = [
        structural_similarity(
            result,
            target,
            channel_axis=0,
            data_range=peak,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for result, target in pairs
    ]
    return np.array(values)


def mean_estimate(values: np.ndarray) -> Estimate:
    """Mean of a measure over pairs `(N,)` with its bootstrap 95 % interval.

    Equal pictures, whose PSNR is infinite, count as `MOST_DB`.
    """
    return Estimate(*bootstrap_mean(np.minimum(values, MOST_DB)), len(values), len(values), "")


def _check(results: np.ndarray, targets: np.ndarray) -> float:
    """The data range R."""
    found = f"{results.shape} {results.dtype} and {targets.shape} {targets.dtype}"
    if results.shape != targets.shape or results.dtype != targets.dtype or results.ndim != 4:
        raise EvalError(f"expected two arrays (N, C, H, W) of one shape and dtype; found {found}")
    if not len(results):
        raise EvalError("expected one pair of pictures or more; found none")
    if results.dtype == np.uint8:
        return 255.0
    if not np.issubdtype(results.dtype, np.floating):
        raise EvalError(f"expected uint8, or float in [0, 1]; found {results.dtype}")
    low, high = (float(pick([pick(results), pick(targets)])) for pick in (np.min, np.max))
    # Written so that NaN, which compares false with everything, is refused too.
    if not (low >= 0 and high <= 1):
        raise EvalError(f"expected float pictures in [0, 1]; found values from {low:.4g} to {high:.4g}")
    return 1.0

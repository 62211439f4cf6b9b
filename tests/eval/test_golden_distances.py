"""FID and KID against torch-fidelity 0.4, SciPy's matrix root and 40-digit arithmetic, on the same features.

Relative errors against 40 digits (12 drawings, 10 results, D = 512; `pytest -rP` prints the ones of this
run):

| features              | FID     | ours  | torch-fidelity | SciPy's root | 1e-6 on the diagonal |
|-----------------------|---------|-------|----------------|--------------|----------------------|
| apart                 | 4       | 1e-16 | 2e-7           | 2e-7         | 7e-4                 |
| moved by a hundredth  | 0.056   | 8e-13 | 1e-3           | 1e-3         | 2e-2                 |
| moved by a thousandth | 0.00056 | 1e-11 | 0.1            | 0.1          | 2                    |

Below n = D the product of the covariances is singular: the root of an eigenvalue that is zero but for
rounding is 1e-8 rather than zero, and there are D - n of them. That is an absolute error, so it eats small
FIDs: those that tell one model from another. pytorch-fid and clean-fid add 1e-6 to the diagonal where SciPy's
root is not finite.
"""

from __future__ import annotations

from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

from eval.distances import fid, kid, kid_subsets


def features(seed: int, n: int, dim: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Like a network's: not negative, some of them much larger than others."""
    spread = np.arange(1, dim + 1) ** -0.5
    return np.asarray(np.abs(np.random.default_rng(seed).normal(shift, scale, (n, dim))) * spread)


def torch_fidelity_fid(x: np.ndarray, y: np.ndarray) -> float:
    stats = [fid_features_to_statistics(torch.from_numpy(side)) for side in (x, y)]
    return float(fid_statistics_to_metric(*stats, verbose=False)[KEY_METRIC_FID])


def scipy_fid(x: np.ndarray, y: np.ndarray, ridge: float = 0.0) -> float:
    """As pytorch-fid and clean-fid compute it."""
    more = ridge * np.eye(x.shape[1])
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm((first + more) @ (second + more))
    shift = x.mean(0) - y.mean(0)
    return float(shift @ shift + np.trace(first + second) - 2 * np.trace(root).real)


def forty_digit_fid(x: np.ndarray, y: np.ndarray) -> float:
    """The closed form in 40 digits, written without anything of ours."""
    with mpmath.workdps(40):
        means = [[mpmath.fsum(column) / len(side) for column in side.T.tolist()] for side in (x, y)]
        rows = [
            [
                [mpmath.mpf(value) - mean for value, mean in zip(row, means[i], strict=True)]
                for row in side.tolist()
            ]
            for i, side in enumerate((x, y))
        ]
        across = mpmath.matrix([[mpmath.fdot(a, b) for b in rows[1]] for a in rows[0]])
        roots = mpmath.fsum(mpmath.svd_r(across, compute_uv=False))
        traces = [mpmath.fsum(mpmath.fdot(row, row) for row in side) / (len(side) - 1) for side in rows]
        shift = mpmath.fsum((a - b) ** 2 for a, b in zip(*means, strict=True))
        both = mpmath.sqrt((len(x) - 1) * (len(y) - 1))
        return float(shift + sum(traces) - 2 * roots / both)


@pytest.mark.parametrize(("n", "m", "dim"), [(200, 150, 16), (300, 400, 128), (64, 90, 64)])
def test_fid_of_many_pictures_is_that_of_both_libraries(n: int, m: int, dim: int) -> None:
    x, y = features(0, n, dim), features(1, m, dim, 0.2, 1.5)
    assert fid(x, y) == pytest.approx(torch_fidelity_fid(x, y), rel=1e-6)
    assert fid(x, y) == pytest.approx(scipy_fid(x, y), rel=1e-6)


def test_fid_of_few_pictures_is_exact_where_matrix_roots_drift() -> None:
    x, apart = features(2, 12, 512), features(3, 10, 512, 0.05, 1.05)
    flat = np.abs(np.random.default_rng(4).normal(size=(12, 512)))
    noise = np.random.default_rng(5).normal(size=flat.shape)
    for words, a, b in (
        ("apart", x, apart),
        ("moved by a hundredth", flat, flat + 1e-2 * noise),
        ("moved by a thousandth", flat, flat + 1e-3 * noise),
    ):
        truth = forty_digit_fid(a, b)
        values = fid(a, b), torch_fidelity_fid(a, b), scipy_fid(a, b), scipy_fid(a, b, ridge=1e-6)
        errors = [abs(value / truth - 1) for value in values]
        print(f"{words:<22} FID {truth:.3g}, relative errors", *(f"{error:.0e}" for error in errors))
        assert errors[0] < 1e-9
        assert errors[0] < min(errors[1:]) / 1000
    # The last of them: what the usual root says of two models that hardly differ is no number.
    assert errors[1] > 0.01
    assert errors[2] > 0.01


@pytest.mark.parametrize(("n", "m"), [(50, 50), (50, 30), (200, 120)])
def test_fid_at_the_size_of_inception_is_the_closed_form_of_common_axes(n: int, m: int) -> None:
    """Covariances with the same eigenvectors: FID is a sum over axes, known without any matrix root."""
    dim, few = 2048, min(n, m) - 1
    rng = np.random.default_rng(6)
    axes = np.linalg.qr(rng.normal(size=(dim, few)))[0].T
    shift = rng.normal(size=dim) / 50
    deviations = [np.sort(rng.uniform(0.1, 3, few))[::-1] for _ in range(2)]
    sides = []
    for count, deviation in zip((n, m), deviations, strict=True):
        balanced = rng.normal(size=(count, few))
        orthonormal = np.linalg.qr(balanced - balanced.mean(0))[0]
        sides.append(orthonormal * deviation * np.sqrt(count - 1) @ axes)
    expected = float(shift @ shift + np.square(deviations[0] - deviations[1]).sum())
    assert fid(sides[0], sides[1] + shift) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n", "m", "dim", "size"), [(60, 80, 24, 50), (40, 40, 24, 40), (70, 90, 512, 60)])
def test_kid_of_the_same_subsets_is_torch_fidelity_s(n: int, m: int, dim: int, size: int) -> None:
    x, y = features(7, n, dim), features(8, m, dim, 0.3)
    theirs = kid_features_to_metric(
        torch.from_numpy(x),
        torch.from_numpy(y),
        kid_subsets=7,
        kid_subset_size=size,
        rng_seed=2020,
        verbose=False,
    )
    mean, deviation = kid_subsets(x, y, subsets=7, subset_size=size)
    assert mean == pytest.approx(theirs[KEY_METRIC_KID_MEAN], abs=1e-6, rel=1e-6)
    assert deviation == pytest.approx(theirs[KEY_METRIC_KID_STD], abs=1e-6, rel=1e-6)


def test_kid_of_all_pictures_is_the_subset_of_all_and_takes_other_kernels() -> None:
    x, y = features(9, 30, 10), features(10, 30, 10, 0.5)
    both = torch.from_numpy(x), torch.from_numpy(y)
    assert kid(x, y) == pytest.approx(kid_subsets(x, y, subsets=1, subset_size=30)[0], rel=1e-12)
    kernels: list[dict[str, Any]] = [{}, {"degree": 2, "gamma": 0.3, "coef0": 2.0}]
    for kernel in kernels:
        named = {f"kid_kernel_poly_{key}": value for key, value in kernel.items()}
        theirs = kid_features_to_metric(*both, kid_subsets=1, kid_subset_size=30, verbose=False, **named)
        assert kid(x, y, **kernel) == pytest.approx(theirs[KEY_METRIC_KID_MEAN], abs=1e-6, rel=1e-6)


def test_kid_of_many_small_subsets_averages_to_kid_of_all() -> None:
    x, y = features(11, 50, 16), features(12, 60, 16, 0.5)
    mean, deviation = kid_subsets(x, y, subsets=4000, subset_size=10)
    assert abs(mean - kid(x, y)) < 4 * deviation / np.sqrt(4000)

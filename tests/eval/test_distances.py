"""KID and FID against torch-fidelity and SciPy, and the intervals against simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

from eval.distances import (
    Scale,
    fid,
    fid_notes,
    kid,
    kid_interval,
    kid_ratio_interval,
    kid_subsets,
)
from eval.errors import EvalError
from eval.intervals import resample_counts
from eval.kernels import KidResampler, polynomial_kernel


def gaussian(seed: int, n: int, dim: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, scale, (n, dim))


@pytest.mark.parametrize(("n", "m", "size"), [(60, 80, 50), (40, 40, 40)])
def test_kid_subsets_match_torch_fidelity(n: int, m: int, size: int) -> None:
    x, y = gaussian(0, n, 24), gaussian(1, m, 24, 0.3)
    theirs = kid_features_to_metric(
        torch.from_numpy(x),
        torch.from_numpy(y),
        kid_subsets=7,
        kid_subset_size=size,
        rng_seed=2020,
        verbose=False,
    )
    mean, deviation = kid_subsets(x, y, subsets=7, subset_size=size)
    assert mean == pytest.approx(theirs[KEY_METRIC_KID_MEAN], abs=1e-6)
    assert deviation == pytest.approx(theirs[KEY_METRIC_KID_STD], abs=1e-6)


def test_kid_on_all_pictures_matches_torch_fidelity_and_takes_other_kernels() -> None:
    x, y = gaussian(2, 30, 10), gaussian(3, 30, 10, 0.5)
    both = torch.from_numpy(x), torch.from_numpy(y)
    kernels: list[dict[str, Any]] = [{}, {"degree": 2, "gamma": 0.3, "coef0": 2.0}]
    for kernel in kernels:
        named = {f"kid_kernel_poly_{key}": value for key, value in kernel.items()}
        theirs = kid_features_to_metric(*both, kid_subsets=1, kid_subset_size=30, verbose=False, **named)
        assert kid(x, y, **kernel) == pytest.approx(theirs[KEY_METRIC_KID_MEAN], abs=1e-6)


@pytest.mark.parametrize(("n", "m", "dim"), [(12, 9, 40), (200, 150, 16), (12, 90, 30)])
def test_fid_matches_torch_fidelity_and_sqrtm(n: int, m: int, dim: int) -> None:
    x, y = gaussian(4, n, dim), gaussian(5, m, dim, 0.2, 1.5)
    stats = [fid_features_to_statistics(torch.from_numpy(side)) for side in (x, y)]
    theirs = fid_statistics_to_metric(*stats, verbose=False)[KEY_METRIC_FID]
    assert fid(x, y) == pytest.approx(theirs, rel=1e-6 if min(n, m) > dim else 1e-3)
    root = sqrtm(stats[0]["sigma"] @ stats[1]["sigma"])
    shift = stats[0]["mu"] - stats[1]["mu"]
    expected = shift @ shift + np.trace(stats[0]["sigma"] + stats[1]["sigma"]) - 2 * np.trace(root).real
    # SciPy's root of a singular matrix (n < D) is itself only this exact.
    assert fid(x, y) == pytest.approx(expected, rel=1e-8 if min(n, m) > dim else 1e-3)


def test_fid_of_a_shift_is_its_square() -> None:
    x = gaussian(6, 20, 50)
    assert fid(x, x + 0.3) == pytest.approx(0.3**2 * 50, abs=1e-8)
    assert fid_notes(28, 100)[0].startswith("n = 28 < 2048")
    assert fid_notes(3000, 2048) == ()


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 9), st.integers(0, 10_000))
def test_distances_are_symmetric_and_ignore_order(n: int, m: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, dim)), rng.normal(size=(m, dim)) + 0.5
    shuffled = rng.permutation(x), rng.permutation(y)
    for distance in (kid, fid):
        assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-7, abs=1e-9)
        assert distance(x, y) == pytest.approx(distance(*shuffled), rel=1e-7, abs=1e-9)
    assert fid(x, y) >= -1e-9


def test_kid_is_unbiased_around_zero_for_equal_distributions() -> None:
    values = np.array([kid(gaussian(2 * s, 10, 6), gaussian(2 * s + 1, 14, 6)) for s in range(400)])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(len(values))
    assert (values < 0).any()
    assert kid(gaussian(0, 40, 6), gaussian(1, 40, 6, 1.0)) > 10 * values.std()


def test_bootstrap_is_centred_on_the_estimate_only_when_duplicates_never_meet() -> None:
    x, y = gaussian(7, 20, 12), gaussian(8, 25, 12, 0.6)
    rng = np.random.default_rng(0)
    x_counts, y_counts = resample_counts(20, 4000, rng), resample_counts(25, 4000, rng)
    draws = KidResampler(x, y)(x_counts, y_counts)
    error = draws.std() / math.sqrt(len(draws))
    assert abs(draws.mean() - kid(x, y)) < 4 * error
    naive = [
        kid(np.repeat(x, a.astype(int), 0), np.repeat(y, b.astype(int), 0))
        for a, b in zip(x_counts[:400], y_counts[:400], strict=True)
    ]
    assert np.mean(naive) - kid(x, y) > 8 * error


def test_resampler_equals_the_estimate_written_out() -> None:
    x, y = gaussian(9, 5, 3), gaussian(10, 4, 3, 0.4)
    rows_x, rows_y = [0, 0, 2, 3, 3], [1, 1, 1, 2]

    def within(side: np.ndarray, rows: list[int]) -> float:
        pairs = [(i, j) for i in rows for j in rows if i != j]
        return float(np.mean([polynomial_kernel(side[[i]], side[[j]]) for i, j in pairs]))

    expected = within(x, rows_x) + within(y, rows_y) - 2 * polynomial_kernel(x[rows_x], y[rows_y]).mean()
    counts = [np.bincount(r, minlength=n)[None].astype(float) for r, n in ((rows_x, 5), (rows_y, 4))]
    assert KidResampler(x, y)(*counts)[0] == pytest.approx(expected)


def test_intervals_cover_the_truth_about_95_times_in_100() -> None:
    """150 data sets of 40 and 60 pictures; the lower bound is four standard errors below 95 %."""
    dim, runs = 12, 150
    truth = np.mean(
        [kid(gaussian(1000 + i, 2000, dim), gaussian(2000 + i, 2000, dim, 0.7)) for i in range(4)]
    )
    hits = ratio_hits = 0
    nearer = np.mean(
        [kid(gaussian(3000 + i, 2000, dim), gaussian(4000 + i, 2000, dim, 0.4)) for i in range(6)]
    )
    for run in range(runs):
        x, noise = gaussian(2 * run, 40, dim), gaussian(2 * run + 1, 60, dim)
        estimate = kid_interval(x, noise + 0.7, n_boot=400, seed=run)
        ratio = kid_ratio_interval(x, noise + 0.7, noise + 0.4, n_boot=400, seed=run)
        hits += int(estimate.low <= truth <= estimate.high)
        ratio_hits += int(ratio.low <= nearer / truth <= ratio.high)
    assert 0.88 <= hits / runs <= 1
    assert 0.88 <= ratio_hits / runs <= 1
    # Wide enough is not all: they must also be narrow enough to tell something.
    assert estimate.low > 0
    assert ratio.high < 1


def test_ratio_interval_uses_the_pairs_and_says_what_it_knows() -> None:
    drawings, before = gaussian(11, 28, 8), gaussian(12, 50, 8, 1.0)
    same = kid_ratio_interval(drawings, before, before, extractor="random")
    assert (same.value, same.low, same.high) == pytest.approx((1, 1, 1))
    better = kid_ratio_interval(drawings, before, before - 0.7, extractor="random")
    assert better.low < better.value < better.high < 0.7
    assert (better.n_x, better.n_y, better.extractor, better.notes) == (28, 50, "random", ())
    assert better == kid_ratio_interval(drawings, before, before - 0.7, extractor="random")
    hopeless = kid_ratio_interval(drawings, drawings, drawings + 1)
    assert hopeless.high == math.inf
    assert "says nothing" in hopeless.notes[0]


def test_small_n_is_flagged_and_never_refused() -> None:
    estimate = kid_interval(gaussian(13, 2, 4), gaussian(14, 3, 4, 3.0))
    assert estimate.notes == ("small n (2 < 25)",)
    assert math.isfinite(estimate.low)
    assert math.isfinite(estimate.high)


def test_scale_is_fitted_on_references_and_makes_kid_free_of_units() -> None:
    x, y, results = gaussian(15, 30, 6), gaussian(16, 30, 6, 1.0), gaussian(17, 20, 6, 0.5)
    factor = np.array([1, 10, 100, 0.1, 5, 1000.0])
    scale, other = Scale.fit(x, y), Scale.fit(x * factor * 2, y * factor * 2)
    pooled = np.concatenate([scale.apply(x), scale.apply(y)])
    assert np.allclose(pooled.mean(0), 0, atol=1e-12)
    assert np.allclose(Scale.fit(x * 2, y * 2).apply(results * 2), scale.apply(results))
    assert np.allclose(other.apply(results * factor * 2)[:, 1], scale.apply(results)[:, 1])
    assert np.isfinite(Scale.fit(np.zeros((3, 2))).apply(np.ones((2, 2)))).all()


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((1, 3)), np.zeros((4, 3)), "n >= 2"),
        (np.zeros((4, 3)), np.zeros((4, 2)), "3 and 2"),
        (np.full((4, 3), np.nan), np.zeros((4, 3)), "nan"),
        (np.zeros(4), np.zeros((4, 3)), "shape"),
    ],
)
def test_bad_features_get_a_clear_error(x: np.ndarray, y: np.ndarray, words: str) -> None:
    for distance in (kid, fid, kid_interval):
        with pytest.raises(EvalError, match=words):
            distance(x, y)
    with pytest.raises(EvalError, match="same photos"):
        kid_ratio_interval(np.zeros((3, 2)), np.zeros((4, 2)), np.zeros((5, 2)))


def test_too_large_subsets_are_refused_with_the_argument_to_change() -> None:
    with pytest.raises(EvalError) as caught:
        kid_subsets(np.zeros((5, 2)), np.zeros((9, 2)))
    assert "subset_size=5" in caught.value.hint

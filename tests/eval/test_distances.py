"""KID, its intervals and FID by their properties; golden numbers and coverage have files of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eval.calibration import Group, kid_coverage, true_kid
from eval.checks import check_features
from eval.distances import (
    Scale,
    fid,
    fid_notes,
    kid,
    kid_difference_interval,
    kid_interval,
    kid_ratio_interval,
    kid_subsets,
    kid_twins_interval,
)
from eval.errors import EvalError


def gaussian(seed: int, n: int, dim: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, scale, (n, dim))


several = st.integers(2, 12)
seeds = st.integers(0, 10_000)


@settings(max_examples=40, deadline=None)
@given(several, several, st.integers(1, 9), seeds)
def test_distances_are_symmetric_and_ignore_order(n: int, m: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, dim)), rng.normal(size=(m, dim)) + 0.5
    shuffled = rng.permutation(x), rng.permutation(y)
    for distance in (kid, fid):
        assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-7, abs=1e-9)
        assert distance(x, y) == pytest.approx(distance(*shuffled), rel=1e-7, abs=1e-9)
    assert fid(x, y) >= -1e-9
    one, other = kid_interval(x, y), kid_interval(*shuffled)
    scale = max(abs(one.low), abs(one.high))
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-6, abs=1e-6 * scale)
    assert one.low <= one.value <= one.high


@settings(max_examples=25, deadline=None)
@given(several, st.integers(1, 9), seeds)
def test_the_same_pictures_are_no_distance_apart(n: int, dim: int, seed: int) -> None:
    x = gaussian(seed, n, dim)
    assert fid(x, x.copy()) == pytest.approx(0, abs=1e-9 * float((x**2).sum()))
    found = kid_interval(x, x.copy())
    # Each picture meets its copy between the sides and nobody like it within one: 2 / n of that is missing.
    kernel = (x @ x.T / dim + 1) ** 3
    missing = np.trace(kernel) / n - (kernel.sum() - np.trace(kernel)) / (n * (n - 1))
    assert found.value == pytest.approx(-2 * missing / n, rel=1e-9)
    assert found.low <= found.value <= found.high


@settings(max_examples=25, deadline=None)
@given(several, several, st.integers(2, 4), seeds)
def test_pictures_given_several_times_are_taken_as_they_come(n: int, m: int, times: int, seed: int) -> None:
    x, y = gaussian(seed, n, 6), gaussian(seed + 1, m, 6, 0.5)
    repeated = np.repeat(x, times, 0), np.repeat(y, times, 0)
    factor = math.sqrt((n * times - 1) / (n * times)), math.sqrt((m * times - 1) / (m * times))
    # With the same moments FID differs by n - 1 in its covariances alone.
    plain = [side.mean(0) + (side - side.mean(0)) * math.sqrt((len(side) - 1) / len(side)) for side in (x, y)]
    again = [s.mean(0) + (s - s.mean(0)) * f for s, f in zip(repeated, factor, strict=True)]
    assert fid(*again) == pytest.approx(fid(*plain), rel=1e-7, abs=1e-9)
    found = kid_interval(*repeated)
    assert math.isfinite(found.low)
    assert found.low <= found.value <= found.high


@settings(max_examples=25, deadline=None)
@given(several, several, st.floats(-3, 3), st.floats(-3, 3))
@example(8, 2, 0.59375, -1.7880887955806735).via("a variance of rounding alone, with one degree of freedom")
def test_constant_features_have_a_distance_and_an_interval_without_width(
    n: int, m: int, first: float, second: float
) -> None:
    x, y = np.full((n, 4), first), np.full((m, 4), second)
    expected = (first * first + 1) ** 3 + (second * second + 1) ** 3 - 2 * (first * second + 1) ** 3
    found = kid_interval(x, y)
    assert found.value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert (found.low, found.high) == pytest.approx((found.value, found.value), abs=1e-6 + 1e-6 * expected)
    assert fid(x, y) == pytest.approx(4 * (first - second) ** 2, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 5), st.integers(2, 5), st.integers(1, 5), seeds)
def test_as_few_as_two_pictures_are_measured_and_flagged(n: int, m: int, dim: int, seed: int) -> None:
    x, y = gaussian(seed, n, dim), gaussian(seed + 1, m, dim, 1.0)
    for found in (
        kid_interval(x, y),
        kid_difference_interval(x, y, y + 0.5),
        kid_ratio_interval(x, y, y + 0.5),
    ):
        assert found.notes[0] == f"small n ({min(n, m)} < 25)"
        assert found.low <= found.value <= found.high
    assert math.isfinite(kid_interval(x, y).low)


def test_kid_is_unbiased_around_zero_for_equal_distributions() -> None:
    values = np.array([kid(gaussian(2 * s, 10, 6), gaussian(2 * s + 1, 14, 6)) for s in range(400)])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(len(values))
    assert (values < 0).any()
    assert kid(gaussian(0, 40, 6), gaussian(1, 40, 6, 1.0)) > 10 * values.std()


def twins(n: int, shift: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 40) of two styles of the same photos: what a photo gives to both is four fifths."""
    photos = 0.8**0.5 * rng.standard_normal((n, 40))
    first, second = 0.2**0.5 * rng.standard_normal((2, n, 40))
    return photos + first, photos + second + shift


def test_results_of_the_same_photos_are_not_too_near() -> None:
    """200 draws: all pairs put equal styles below nothing in every one, pairs of other photos in no more
    than chance has it."""
    rng = np.random.default_rng(0)
    drawn = [twins(60, 0.0, rng) for _ in range(200)]
    plain, own = ([measure(*one) for one in drawn] for measure in (kid_interval, kid_twins_interval))
    assert np.mean([found.high < 0 for found in plain]) > 0.9
    values = np.array([found.value for found in own])
    assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5
    assert np.mean([found.low <= 0 <= found.high for found in own]) >= 0.95
    apart = [kid_twins_interval(*twins(60, 0.3, rng)) for _ in range(200)]
    normal = (Group(1, np.zeros(40), np.ones(40)),)
    truth = true_kid(normal, (replace(normal[0], mean=np.full(40, 0.3)),))
    assert np.mean([found.low <= truth <= found.high for found in apart]) >= 0.92
    assert np.mean([found.low > 0 for found in apart]) > 0.9


def test_twins_of_few_photos_and_of_other_photos() -> None:
    x, y = twins(2, 0.0, np.random.default_rng(0))
    found = kid_twins_interval(x, y)
    assert (found.low, found.high) == (-np.inf, np.inf)
    with pytest.raises(EvalError, match="same photos"):
        kid_twins_interval(x, np.concatenate([y, y]))


@pytest.mark.parametrize("shift", ["equal", "slight"])
def test_an_interval_has_an_upper_end(shift: str) -> None:
    """At a few hundred pictures too, where the estimate of nothing may come out above it."""
    for n in (30, 100):
        found = kid_coverage("decaying", shift, 16, (n, n), draws=100, seed=1)
        assert found.unbounded == 0


def test_fid_of_a_shift_is_its_square() -> None:
    x = gaussian(6, 20, 50)
    assert fid(x, x + 0.3) == pytest.approx(0.3**2 * 50, abs=1e-8)
    assert fid_notes(28, 100)[0].startswith("n = 28 < 2048")
    assert fid_notes(3000, 2048) == ()


def test_the_difference_tells_models_apart_whose_own_intervals_overlap() -> None:
    drawings, before = gaussian(11, 40, 16), gaussian(12, 60, 16, 0.6)
    after = before - 0.03 + 0.02 * gaussian(13, 60, 16)
    own = kid_interval(drawings, before), kid_interval(drawings, after)
    assert own[1].high > own[0].low
    found = kid_difference_interval(drawings, before, after, extractor="random")
    assert found.value == pytest.approx(own[1].value - own[0].value)
    assert found.high < 0
    assert (found.n_x, found.n_y, found.extractor, found.notes) == (40, 60, "random", ())
    back = kid_difference_interval(drawings, after, before)
    assert (back.value, back.low, back.high) == pytest.approx((-found.value, -found.high, -found.low))
    same = kid_difference_interval(drawings, before, before)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_ratio_uses_the_pairs_and_says_what_it_knows() -> None:
    drawings, before = gaussian(11, 28, 8), gaussian(12, 50, 8, 1.0)
    same = kid_ratio_interval(drawings, before, before, extractor="random")
    assert (same.value, same.low, same.high) == pytest.approx((1, 1, 1))
    better = kid_ratio_interval(drawings, before, before - 0.7, extractor="random")
    assert better.low < better.value < better.high < 0.7
    assert (better.n_x, better.n_y, better.extractor, better.notes) == (28, 50, "random", ())
    shuffled = kid_ratio_interval(drawings, before, np.random.default_rng(0).permutation(before - 0.7))
    assert shuffled.high - shuffled.low > better.high - better.low
    hopeless = kid_ratio_interval(drawings, drawings, drawings + 1)
    assert hopeless.high == math.inf
    assert "says nothing" in hopeless.notes[0]


def test_scale_is_fitted_on_references_and_makes_kid_free_of_units() -> None:
    x, y, results = gaussian(15, 30, 6), gaussian(16, 30, 6, 1.0), gaussian(17, 20, 6, 0.5)
    factor = np.array([1, 10, 100, 0.1, 5, 1000.0])
    scale, other = Scale.fit(x, y), Scale.fit(x * factor * 2, y * factor * 2)
    pooled = np.concatenate([scale.apply(x), scale.apply(y)])
    assert np.allclose(pooled.mean(0), 0, atol=1e-12)
    assert np.allclose(Scale.fit(x * 2, y * 2).apply(results * 2), scale.apply(results))
    assert np.allclose(other.apply(results * factor * 2)[:, 1], scale.apply(results)[:, 1])
    assert np.isfinite(Scale.fit(np.zeros((3, 2))).apply(np.ones((2, 2)))).all()


@pytest.mark.parametrize("distance", [kid, fid, kid_interval])
@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((1, 3)), np.zeros((4, 3)), "n >= 2"),
        (np.zeros((4, 3)), np.zeros((4, 2)), "3 and 2"),
        (np.full((4, 3), np.nan), np.zeros((4, 3)), "row 0, row 1, row 2 and 1 more contain nan"),
        (np.zeros(4), np.zeros((4, 3)), "shape"),
        (np.zeros((4, 0)), np.zeros((4, 0)), "shape"),
    ],
)
def test_bad_features_get_a_clear_error(
    distance: Callable[[np.ndarray, np.ndarray], object], x: np.ndarray, y: np.ndarray, words: str
) -> None:
    with pytest.raises(EvalError, match=words) as caught:
        distance(x, y)
    assert caught.value.hint


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.data(), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_picture_without_numbers_is_named(n: int, data: st.DataObject, broken: float) -> None:
    row, column = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, 4))
    features, names = gaussian(0, n, 5), [f"lorelei_{i}.png" for i in range(n)]
    assert np.array_equal(check_features(features, names), features)
    features[row, column] = broken
    with pytest.raises(EvalError, match=rf"features of lorelei_{row}\.png contain nan or infinity"):
        check_features(features, names)
    with pytest.raises(EvalError, match=f"{n + 1} names for {n} rows"):
        check_features(features, [*names, "one more"])


def test_results_of_other_photos_are_refused() -> None:
    for interval in (kid_ratio_interval, kid_difference_interval):
        with pytest.raises(EvalError, match="same photos"):
            interval(np.zeros((3, 2)), np.zeros((4, 2)), np.zeros((5, 2)))


def test_too_large_subsets_are_refused_with_the_argument_to_change() -> None:
    with pytest.raises(EvalError) as caught:
        kid_subsets(np.zeros((5, 2)), np.zeros((9, 2)))
    assert "subset_size=5" in caught.value.hint

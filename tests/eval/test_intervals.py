"""Intervals against SciPy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from eval.errors import EvalError
from eval.intervals import (
    Z,
    bootstrap_mean,
    percentiles,
    proportion,
    resample_counts,
    student_quantile,
    wilson,
)


@given(st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_matches_scipy(case: tuple[int, int]) -> None:
    successes, n = case
    if n == 0:
        assert wilson(0, 0) == (0.0, 1.0)
        return
    expected = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_refuses_the_impossible() -> None:
    with pytest.raises(EvalError, match="5 successes out of 4"):
        wilson(5, 4)


def test_bootstrap_mean_agrees_with_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    mean, low, high = bootstrap_mean(values, n_boot=4000)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert mean == pytest.approx(values.mean())
    assert (mean - low, high - mean) == pytest.approx((half, half), rel=0.1)
    assert bootstrap_mean(np.array([2.0])) == (2.0, 2.0, 2.0)
    with pytest.raises(EvalError):
        bootstrap_mean(np.array([]))


def test_counts_add_up_and_infinite_draws_make_no_nan() -> None:
    counts = resample_counts(7, 50, np.random.default_rng(0))
    assert (counts.sum(1) == 7).all()
    assert counts.min() >= 0
    low, high = percentiles(np.array([1.0] * 90 + [math.inf] * 10))
    assert (low, high) == (1.0, math.inf)


def test_proportion_of_nothing_is_unknown() -> None:
    nothing = proportion(np.zeros(0, bool), 3, "random")
    assert math.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0.0, 1.0)
    assert proportion(np.array([True, False]), 3, "random").value == 0.5


@pytest.mark.parametrize(("freedom", "error"), [(2, 0.04), (3, 0.01), (5, 0.0015), (29, 1e-5), (1e6, 1e-9)])
def test_student_quantile_matches_scipy(freedom: float, error: float) -> None:
    assert student_quantile(Z, freedom) == pytest.approx(t.ppf(0.975, freedom), rel=error)
    assert student_quantile(-Z, freedom) == -student_quantile(Z, freedom)
    assert student_quantile(Z, math.inf) == Z

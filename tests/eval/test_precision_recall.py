"""Precision, recall, density and coverage against the papers' formulas and against torch-fidelity."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from eval.errors import EvalError
from eval.precision_recall import PrecisionRecall, precision_recall

MEASURES = ("precision", "recall", "density", "coverage")


def gaussian(seed: int, n: int, dim: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, scale, (n, dim))


def values(found: PrecisionRecall) -> tuple[float, ...]:
    return tuple(getattr(found, name).value for name in MEASURES)


def written_out(x: np.ndarray, y: np.ndarray, k: int) -> tuple[float, ...]:
    """One loop per sum of the formulas; equation numbers are those of the papers."""

    def radius(rows: np.ndarray, i: int) -> float:
        others = [math.dist(rows[i], rows[j]) for j in range(len(rows)) if j != i]
        return sorted(others)[k - 1]

    of_x, of_y = [radius(x, i) for i in range(len(x))], [radius(y, j) for j in range(len(y))]
    in_x = np.array([[math.dist(x[i], y[j]) <= of_x[i] for j in range(len(y))] for i in range(len(x))])
    in_y = np.array([[math.dist(x[i], y[j]) <= of_y[j] for j in range(len(y))] for i in range(len(x))])
    precision, recall = in_x.any(0).mean(), in_y.any(1).mean()  # 1904.06991: equations 1 and 2
    density = in_x.sum() / (k * len(y))  # 2002.09797: equation 3
    coverage = in_x.any(1).mean()  # equation 4
    return float(precision), float(recall), float(density), float(coverage)


sizes = st.integers(3, 14)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.integers(1, 6), st.data(), st.integers(0, 10_000), st.booleans())
def test_values_are_those_of_the_papers(
    n: int, m: int, dim: int, data: st.DataObject, seed: int, ties: bool
) -> None:
    k = data.draw(st.integers(1, min(n, m) - 1))
    x, y = gaussian(seed, n, dim), gaussian(seed + 1, m, dim, 0.3)
    if ties:
        # Whole numbers: many equal distances, and pictures that are there twice.
        x, y = np.round(x), np.round(y)
    assert values(precision_recall(x, y, k=k)) == pytest.approx(written_out(x, y, k), abs=1e-12)


@pytest.mark.parametrize(("n", "m", "dim", "k"), [(60, 80, 16, 3), (200, 120, 64, 3), (100, 100, 512, 5)])
def test_precision_and_recall_are_torch_fidelity_s(n: int, m: int, dim: int, k: int) -> None:
    drawings, results = gaussian(0, n, dim), gaussian(1, m, dim, 0.2, 1.05)
    theirs = prc_features_to_metric(
        torch.from_numpy(results),
        torch.from_numpy(drawings),
        prc_neighborhood=k,
        prc_batch_size=10_000,
        save_cpu_ram=False,
        verbose=False,
    )
    found = precision_recall(drawings, results, k=k)
    assert 0 < found.precision.value < 1
    assert found.precision.value == pytest.approx(theirs[KEY_METRIC_PRECISION], abs=1e-6)
    assert found.recall.value == pytest.approx(theirs[KEY_METRIC_RECALL], abs=1e-6)


@pytest.mark.parametrize(("n", "m", "k"), [(7, 9, 2), (8, 6, 3), (5, 5, 3), (12, 6, 1)])
def test_jackknife_is_that_of_the_sets_with_one_picture_less(n: int, m: int, k: int) -> None:
    """Seen on density, whose interval is symmetric and so shows the variance."""
    x, y = gaussian(2, n, 3), gaussian(3, m, 3, 0.4)
    found = precision_recall(x, y, k=k).density
    variance = 0.0
    for side, rows in enumerate((x, y)):
        less = []
        for i in range(len(rows)):
            sides = [x, y]
            sides[side] = np.delete(rows, i, 0)
            less.append(density_alone(sides[0], sides[1], k))
        variance += float(np.var(less)) * (len(rows) - 1)
    half = student.ppf(0.975, min(n, m) - 1) * math.sqrt(variance)
    assert found.high - found.value == pytest.approx(half, rel=0.03)


def density_alone(x: np.ndarray, y: np.ndarray, k: int) -> float:
    """Density needs no neighbours among the results."""
    within, across = (np.linalg.norm(x[:, None] - other, axis=2) for other in (x, y))
    return float((across <= np.sort(within, 1)[:, [k]]).sum() / (k * len(y)))


@settings(max_examples=30, deadline=None)
@given(sizes, sizes, st.integers(0, 10_000))
def test_order_and_place_do_not_matter(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 4)), rng.normal(0.5, 1, (m, 4))
    one = precision_recall(x, y, k=2)
    other = precision_recall(rng.permutation(x) * 4 + 8, rng.permutation(y) * 4 + 8, k=2)
    for name in MEASURES:
        a, b = getattr(one, name), getattr(other, name)
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), abs=1e-6)
        assert 0 <= a.low <= a.value <= a.high
        assert a.high <= 1 or name == "density"
        assert a.notes == (f"small n ({min(n, m)} < 50)",)


@given(st.integers(3, 30), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_same_pictures_have_everything_in_common(n: int, seed: int) -> None:
    x = gaussian(seed, n, 5)
    found = precision_recall(x, x.copy(), k=2)
    # In its ball lies each picture's copy besides the k neighbours.
    assert values(found) == pytest.approx((1, 1, 3 / 2, 1))
    assert found.precision.high == 1


def test_constant_features_fall_into_balls_of_no_size() -> None:
    assert values(precision_recall(np.ones((6, 3)), np.ones((5, 3)), k=2)) == (1, 1, 3, 1)
    assert values(precision_recall(np.ones((6, 3)), np.zeros((5, 3)), k=2)) == (0, 0, 0, 0)


def test_far_results_have_nothing_in_common_and_collapsed_ones_no_recall() -> None:
    drawings = gaussian(4, 60, 8)
    far = precision_recall(drawings, gaussian(5, 60, 8, 50.0), extractor="random")
    assert values(far) == (0, 0, 0, 0)
    assert 0 < far.precision.high < 0.1
    assert far.density.high == far.precision.high
    assert (far.k, far.precision.n_x, far.precision.n_y, far.precision.extractor) == (5, 60, 60, "random")
    assert far.precision.notes == ()
    collapsed = precision_recall(drawings, gaussian(6, 60, 8, 0.0, 0.05))
    assert collapsed.precision.value == 1
    assert collapsed.recall.high < 0.1
    assert collapsed.coverage.value < 0.8


@pytest.mark.parametrize(
    ("n", "m", "k", "hint"), [(5, 9, 5, "1 to 4"), (9, 5, 0, "1 to 4"), (1, 9, 3, "two or more")]
)
def test_too_few_pictures_for_k_are_refused_with_what_to_change(n: int, m: int, k: int, hint: str) -> None:
    with pytest.raises(EvalError, match=f"{n} drawings and {m} results have no {k} neighbours") as caught:
        precision_recall(np.zeros((n, 2)), np.zeros((m, 2)), k=k)
    assert hint in caught.value.hint
    with pytest.raises(EvalError, match="row 1 contain nan"):
        precision_recall(np.array([[0.0], [math.nan], [1.0]]), np.zeros((4, 1)), k=1)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_intervals_hold_the_mean_over_other_sets_of_the_same_sizes(shift: float) -> None:
    """300 sets of 30 and 30: cautious, so 95 % is the least (measured: 97.0 and more)."""
    rng = np.random.default_rng(0)
    found = [
        precision_recall(rng.normal(size=(30, 16)), rng.normal(shift, 1, (30, 16)), k=3) for _ in range(300)
    ]
    for name in MEASURES:
        estimates = [getattr(one, name) for one in found]
        truth = np.mean([e.value for e in estimates])
        assert np.mean([e.low <= truth <= e.high for e in estimates]) >= 0.95
        # Not by being useless: at most twice as wide as it had to be.
        wide = np.mean([e.high - e.low for e in estimates])
        assert wide < 2 * 3.92 * np.std([e.value for e in estimates])

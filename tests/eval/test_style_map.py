"""The style map: trustworthy, the same in any order, and defined for the smallest and dullest sets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.errors import EvalError
from eval.style_map import style_map


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 99))
def test_the_order_of_drawings_changes_nothing(n: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features, order = rng.normal(size=(n, dim)), rng.permutation(n)
    one, other = style_map(features), style_map(features[order])
    assert (one.points[order] == other.points).all()
    assert (one.method, one.trustworthiness) == (other.method, other.trustworthiness)
    assert one.points.shape == (n, 2)
    assert np.abs(one.points).max() <= 1
    assert 0 <= one.trustworthiness <= 1


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 15), st.integers(0, 99))
def test_equal_drawings_lie_on_each_other(n: int, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(n, 5))
    points = style_map(np.repeat(features, 2, 0)).points
    assert (points[::2] == points[1::2]).all()
    assert (points[::2] == style_map(features).points).all()


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_constant_features_are_one_point(n: int) -> None:
    found = style_map(np.full((n, 7), 3.0))
    assert (found.points == 0).all()
    assert (found.trustworthiness, found.neighbours) == (1, 0)


def test_two_drawings_are_the_ends_of_a_line() -> None:
    found = style_map(np.array([[0.0, 1, 2], [5, 5, 5]]))
    assert sorted(found.points[:, 0]) == [-1, 1]
    assert found.points[:, 1] == pytest.approx([0, 0], abs=1e-9)


def test_nan_is_refused_by_name() -> None:
    features = np.ones((3, 4))
    features[2, 0] = np.nan
    with pytest.raises(EvalError, match=r"c\.png"):
        style_map(features, ["a.png", "b.png", "c.png"])
    with pytest.raises(EvalError, match="n >= 1"):
        style_map(np.zeros((0, 4)))


def test_groups_stay_together_and_a_map_of_noise_is_trusted_less() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(5), 12)
    found = style_map(3 * rng.normal(size=(5, 20))[groups] + rng.normal(size=(60, 20)))
    gaps = np.linalg.norm(found.points[:, None] - found.points[None], axis=-1)
    np.fill_diagonal(gaps, np.inf)
    assert (groups[gaps.argmin(1)] == groups).mean() > 0.95
    assert found.trustworthiness > 0.9
    assert style_map(rng.normal(size=(60, 20))).trustworthiness < found.trustworthiness - 0.05


def test_real_artists_are_neighbours_of_themselves(
    artist_features: Callable[[str], dict[str, np.ndarray]],
) -> None:
    """Random's first 24 drawings of nine artists; chance is 0.11."""
    gallery = artist_features("random")
    labels = np.repeat(np.arange(len(gallery)), [len(rows) for rows in gallery.values()])
    found = style_map(np.concatenate(list(gallery.values())))
    gaps = np.linalg.norm(found.points[:, None] - found.points[None], axis=-1)
    np.fill_diagonal(gaps, np.inf)
    assert found.method == "t-SNE"
    assert found.trustworthiness > 0.96
    assert (labels[gaps.argmin(1)] == labels).mean() > 0.85

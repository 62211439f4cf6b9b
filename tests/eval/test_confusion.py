"""Who is taken for whom: hands apart, hands alike, and pictures of the same photos."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.confusion import confusion
from eval.errors import EvalError


def crowd(seed: int, n: int, centre: float, dim: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)) + centre


def test_hands_that_lie_apart_are_not_confused() -> None:
    found = confusion({"a": crowd(0, 20, 0), "b": crowd(1, 12, 6)}, extractor="x")
    assert {pair: share.value for pair, share in found.items()} == {
        ("a", "a"): 1,
        ("a", "b"): 0,
        ("b", "a"): 0,
        ("b", "b"): 1,
    }
    assert (found["a", "b"].n_x, found["a", "b"].n_y, found["a", "b"].extractor) == (12, 20, "x")


def test_one_hand_cut_in_two_is_told_apart_as_often_as_by_chance() -> None:
    found = confusion({"a": crowd(0, 300, 0), "b": crowd(1, 100, 0)})
    for side in "ab":
        assert found[side, side].value == pytest.approx(0.5, abs=0.12)


def test_the_same_pictures_twice_count_against_the_own_side() -> None:
    rows = crowd(0, 15, 0)
    found = confusion({"a": rows, "b": rows})
    assert (found["a", "a"].value, found["b", "b"].value) == (0, 0)


def test_twins_are_told_by_style_and_not_by_what_they_show() -> None:
    """Strong content, no style: each picture's twin is its nearest neighbour, unless left out."""
    content = 5 * crowd(0, 60, 0)
    sides = {"a": content + 0.1 * crowd(1, 60, 0), "b": content + 0.1 * crowd(2, 60, 0)}
    assert confusion(sides)["a", "a"].value < 0.2
    assert confusion(sides, ["a", "b"])["a", "a"].value == pytest.approx(0.5, abs=0.2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.lists(st.integers(2, 9), min_size=2, max_size=4))
def test_shares_of_one_side_sum_to_one_in_any_order(seed: int, sizes: list[int]) -> None:
    sides = {str(i): crowd(seed + i, n, i) for i, n in enumerate(sizes)}
    found = confusion(sides)
    for a in sides:
        assert sum(found[a, b].value for b in sides) == pytest.approx(1)
    assert confusion(dict(reversed(sides.items()))).keys() == found.keys()
    turned = confusion({name: rows[::-1] for name, rows in sides.items()})
    assert {p: e.value for p, e in turned.items()} == {p: e.value for p, e in found.items()}


@pytest.mark.parametrize(
    ("sizes", "twins", "says"),
    [([5], [], "told apart"), ([5, 1], [], "one picture"), ([5, 4], ["0", "1"], "as many")],
)
def test_too_few_and_uneven_twins_are_refused(sizes: list[int], twins: list[str], says: str) -> None:
    with pytest.raises(EvalError, match=says):
        confusion({str(i): crowd(i, n, 0) for i, n in enumerate(sizes)}, twins)


def test_broken_features_are_refused_by_name() -> None:
    rows = crowd(0, 5, 0)
    rows[2, 1] = np.nan
    with pytest.raises(EvalError, match="mine"):
        confusion({"a": crowd(1, 5, 0), "mine": rows})

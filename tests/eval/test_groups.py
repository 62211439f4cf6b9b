"""Groups and outliers: found where they are, and not where there are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from eval.errors import EvalError
from eval.groups import FALSE_ALARMS, Groups, find_groups


def labels(found: Groups, n: int) -> np.ndarray:
    """Group of each row, outliers with the group they are nearest to."""
    whose = np.full(n, -1)
    for label, group in enumerate(found.groups):
        whose[[*group.members, *group.outliers]] = label
    return whose


def hand(rng: np.random.Generator, n: int, dim: int = 60) -> np.ndarray:
    """Drawings without groups: they differ much in a few directions and little in many."""
    return rng.normal(size=(n, dim)) * np.exp(-np.arange(dim) / 8)


def test_one_hand_is_one_group_and_has_no_outlier_as_often_as_is_said() -> None:
    rng, split, named = np.random.default_rng(0), 0, 0
    for _ in range(60):
        found = find_groups(hand(rng, 24))
        split += len(found.groups) > 1
        named += bool(found.outliers)
    # Two standard errors of sixty draws are 0.06.
    assert split / 60 <= FALSE_ALARMS + 0.06
    assert named / 60 <= FALSE_ALARMS + 0.06


@pytest.mark.parametrize(("sizes", "apart"), [((12, 12), 6.0), ((20, 6), 6.0), ((9, 10, 11), 6.0)])
def test_mixtures_are_taken_apart(sizes: tuple[int, ...], apart: float) -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat(range(len(sizes)), sizes)
    centres = rng.normal(size=(len(sizes), 60))
    centres *= apart / np.linalg.norm(centres, axis=1, keepdims=True)
    found = find_groups(hand(rng, len(truth)) + centres[truth])
    assert len(found.groups) == len(sizes)
    assert adjusted_rand_score(truth, labels(found, len(truth))) > 0.9
    assert [len(group.members) for group in found.groups] == sorted(
        (len(group.members) for group in found.groups), reverse=True
    )
    assert found.p_value <= FALSE_ALARMS
    assert found.silhouette > found.by_chance


def test_a_foreign_drawing_is_an_outlier_and_forms_no_group() -> None:
    rng = np.random.default_rng(2)
    rows = hand(rng, 25)
    rows[7] = 3 * rng.normal(size=60)
    found = find_groups(rows)
    assert found.outliers == (7,)
    assert len(found.groups) == 1
    assert found.groups[0].medoid != 7


def test_the_medoid_is_in_the_middle_of_its_group() -> None:
    rows = np.concatenate([[np.zeros(9)], np.eye(9), -np.eye(9)]) + 5
    assert find_groups(rows).groups[0].medoid == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 20), st.integers(1, 6), st.booleans(), st.integers(0, 99))
def test_neither_order_nor_repetition_matters(n: int, dim: int, mixed: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, dim)) + (20 * (np.arange(n) % 2)[:, None] if mixed else 0)
    order, found = rng.permutation(n), find_groups(rows)
    shuffled, twice = find_groups(rows[order]), find_groups(np.repeat(rows, 2, 0))
    assert adjusted_rand_score(labels(found, n)[order], labels(shuffled, n)) == 1
    assert {order[row] for row in shuffled.outliers} == set(found.outliers)
    assert adjusted_rand_score(np.repeat(labels(found, n), 2), labels(twice, 2 * n)) == 1
    assert (shuffled.p_value, twice.p_value) == (found.p_value, found.p_value)
    assert sorted(row for g in found.groups for row in (*g.members, *g.outliers)) == list(range(n))


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_constant_features_and_few_drawings_are_one_group(n: int) -> None:
    for rows in (np.full((n, 5), 2.0), np.random.default_rng(n).normal(size=(min(n, 7), 5))):
        found = find_groups(rows)
        assert [len(group.members) for group in found.groups] == [len(rows)]
        assert (found.p_value, found.outliers) == (1, ())
        assert math.isnan(found.silhouette)


def test_a_number_of_groups_can_be_asked_for() -> None:
    rows = hand(np.random.default_rng(3), 20)
    free, three = find_groups(rows), find_groups(rows, count=3)
    assert (len(free.groups), len(three.groups)) == (1, 3)
    assert three.p_value == free.p_value > FALSE_ALARMS
    assert len(find_groups(rows, count=20 - len(free.outliers)).groups) == 20 - len(free.outliers)
    assert len(find_groups(np.concatenate([rows, rows + 50]), count=1).groups) == 1
    with pytest.raises(EvalError, match="21 groups of 20"):
        find_groups(rows, count=21)


def test_nan_is_refused_by_name() -> None:
    rows = np.ones((3, 4))
    rows[1, 2] = np.inf
    with pytest.raises(EvalError, match=r"old\.png"):
        find_groups(rows, ["new.png", "old.png", "older.png"])


def test_two_real_artists_are_two_groups_and_one_is_one(
    artist_features: Callable[[str], dict[str, np.ndarray]],
) -> None:
    """`perceptual` was never told who drew what; over all 28 pairs of eight artists 26 came apart."""
    gallery = artist_features("perceptual")
    found = {}
    for pair in combinations(("avataaars", "cuhk_sketch", "lorelei", "notionists", "revoy"), 2):
        rows = [gallery[artist] for artist in pair]
        truth = np.repeat([0, 1], [len(part) for part in rows])
        groups = find_groups(np.concatenate(rows))
        found[pair] = adjusted_rand_score(truth, labels(groups, len(truth)))
    assert sum(score > 0.9 for score in found.values()) >= 9
    alone = {artist: len(find_groups(rows).groups) for artist, rows in gallery.items()}
    assert sum(count == 1 for count in alone.values()) >= 7
    # Each of its few characters was drawn with many expressions: those are groups.
    assert alone["afensorm"] > 1

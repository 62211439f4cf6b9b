"""Memorisation: single copies are flagged, a lean to the training drawings is found, and luck is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from eval.errors import EvalError
from eval.memorisation import lean_to_training, memorisation
from eval.random_features import disc_pictures
from eval.structure import structure_features


@pytest.fixture(scope="module")
def scenes() -> np.ndarray:
    """Forty synthetic scenes, uint8 (40, 3, 96, 96)."""
    return (disc_pictures(40, 96, seed=11, discs=15) * 255).round().to(torch.uint8).numpy()


def posterised(pictures: np.ndarray) -> np.ndarray:
    changed = [ImageOps.posterize(Image.fromarray(p.transpose(1, 2, 0)), 5) for p in pictures]
    return np.stack([np.asarray(p).transpose(2, 0, 1) for p in changed])


def test_copies_of_drawings_are_flagged_and_new_pictures_are_not(scenes: np.ndarray) -> None:
    drawings, fresh = structure_features(scenes[:20]), scenes[20:]
    result = memorisation(structure_features(np.concatenate([fresh, posterised(scenes[3:5])])), drawings)
    assert result.flagged == (20, 21)
    assert list(result.nearest[20:]) == [3, 4]
    assert result.copied.value == pytest.approx(2 / 22)
    assert result.copied.low > 0
    assert np.median(result.ratio[:20]) == pytest.approx(1, abs=0.25)


def test_twins_among_the_drawings_do_not_hide_copies(scenes: np.ndarray) -> None:
    drawings = structure_features(np.concatenate([scenes[:6], scenes[:6]]))
    assert memorisation(drawings[:2], drawings).flagged == (0, 1)
    few = memorisation(drawings[:1], drawings[:3])
    assert "fewer than 5" in few.copied.notes[0]


def test_copies_of_training_drawings_lean_to_training(scenes: np.ndarray) -> None:
    copies = structure_features(posterised(scenes[:20]))
    drawings = structure_features(scenes)
    found = lean_to_training(copies, drawings[:20], drawings[20:], splits=200)
    assert (found.share.value, found.p) == (1, 1 / 201)
    assert found.share.low > 0.8
    assert (found.to_training < found.to_heldout).all()
    # The other way round nothing leans to training, and a one-sided test says so.
    other = lean_to_training(copies, drawings[20:], drawings[:20], splits=200)
    assert (other.share.value, other.p) == (0, 1)


@pytest.mark.parametrize("sizes", [(12, 12), (30, 6), (6, 30)])
def test_without_memorisation_small_p_is_as_rare_as_it_says(sizes: tuple[int, int]) -> None:
    """A crowd of like results around one drawing, which makes tests over results cry wolf."""
    rng = np.random.default_rng(3)
    values, shares = [], []
    for seed in range(150):
        drawings = rng.normal(size=(sum(sizes), 8))
        results = drawings[rng.integers(len(drawings))] + 0.8 * rng.normal(size=(40, 8))
        found = lean_to_training(results, drawings[: sizes[0]], drawings[sizes[0] :], splits=99, seed=seed)
        assert found.compared == min(sizes)
        values.append(found.p)
        shares.append(found.share.value)
    # Binomial: 150 draws at 0.10 lie below 27 with a probability of 0.999.
    assert np.count_nonzero(np.array(values) <= 0.10) <= 27
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.integers(2, 9), st.integers(2, 9))
def test_the_closed_form_is_the_mean_over_subsets(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    results, training, heldout = (rng.normal(size=(k, 3)) for k in (5, n, m))
    found = lean_to_training(results, training, heldout, splits=1)
    size = min(n, m)
    near = [np.linalg.norm(results[:, None] - side, axis=2) for side in (training, heldout)]
    wins = []
    for _ in range(400):
        a, b = (side[:, rng.choice(side.shape[1], size, replace=False)].min(1) for side in near)
        wins.append((a < b).mean())
    assert found.share.value == pytest.approx(np.mean(wins), abs=0.08)


def test_a_drawing_on_both_sides_counts_for_neither() -> None:
    rng = np.random.default_rng(0)
    drawings = rng.normal(size=(40, 6))
    found = lean_to_training(rng.normal(size=(200, 6)), drawings, drawings, splits=20)
    assert found.share.value == pytest.approx(0.5, abs=0.15)


def test_few_drawings_are_flagged_and_wrong_shapes_refused() -> None:
    rows = np.random.default_rng(0).normal(size=(10, 4))
    assert "only 3 drawings" in lean_to_training(rows, rows[:3], rows[3:], splits=9).share.notes[0]
    with pytest.raises(EvalError, match="two drawings"):
        lean_to_training(rows, rows, rows[:1])
    with pytest.raises(EvalError, match="two drawings"):
        memorisation(np.zeros((3, 4)), np.zeros((1, 4)))
    with pytest.raises(EvalError, match="features"):
        lean_to_training(rows, rows[:, :3], rows)

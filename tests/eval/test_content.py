"""Content and memorisation: the structure survives a change of style, and copies are found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps

from eval.content import content_identification, memorisation, structure_features
from eval.errors import EvalError
from eval.random_features import disc_pictures


@pytest.fixture(scope="module")
def scenes() -> np.ndarray:
    """Forty synthetic scenes, uint8 (40, 3, 96, 96)."""
    return (disc_pictures(40, 96, seed=11, discs=15) * 255).round().to(torch.uint8).numpy()


def redraw(pictures: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    changed = [change(Image.fromarray(p.transpose(1, 2, 0))).convert("RGB") for p in pictures]
    return np.stack([np.asarray(p).transpose(2, 0, 1) for p in changed])


def sketch(picture: Image.Image) -> Image.Image:
    edges = ImageOps.grayscale(picture).filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
    return edges.point(lambda level: 255 if level < 16 else 0)


@pytest.mark.parametrize(
    "change",
    [
        sketch,
        ImageOps.invert,
        lambda p: ImageOps.posterize(p, 2),
        lambda p: p.filter(ImageFilter.GaussianBlur(2)),
    ],
    ids=["sketch", "negative", "posterised", "blurred"],
)
def test_structure_survives_a_change_of_style(
    scenes: np.ndarray, change: Callable[[Image.Image], Image.Image]
) -> None:
    found = content_identification(structure_features(scenes), structure_features(redraw(scenes, change)))
    assert found.top1.value > 0.9
    assert found.reciprocal_rank.value > 0.9
    assert found.chance == 1 / 40
    assert (found.top1.n_x, found.top1.n_y) == (40, 40)


def test_structure_of_a_negative_is_the_same(scenes: np.ndarray) -> None:
    assert np.allclose(structure_features(scenes), structure_features(255 - scenes), atol=1e-3)


def test_other_content_is_at_chance_and_equal_results_are_below(scenes: np.ndarray) -> None:
    features = structure_features(scenes)
    mixed = content_identification(features, np.roll(features, 1, axis=0))
    assert mixed.top1.value == 0
    assert mixed.top1.high < 0.15
    blank = content_identification(features, np.repeat(features[:1], 40, axis=0))
    assert blank.top1.value == 0
    assert (blank.ranks == 40).all()


def test_flat_pictures_and_wrong_shapes() -> None:
    flat = structure_features(np.full((2, 3, 64, 64), 128, np.uint8))
    assert np.allclose(flat, 0, atol=1e-3)
    assert np.isfinite(flat).all()
    with pytest.raises(EvalError, match="one result per photo"):
        content_identification(np.zeros((3, 4)), np.zeros((2, 4)))
    with pytest.raises(EvalError, match="uint8"):
        structure_features(np.zeros((2, 3, 64, 64)))
    with pytest.raises(EvalError, match="two drawings"):
        memorisation(np.zeros((3, 4)), np.zeros((1, 4)))


def test_copies_of_drawings_are_flagged_and_new_pictures_are_not(scenes: np.ndarray) -> None:
    drawings, fresh = structure_features(scenes[:20]), scenes[20:]
    copies = redraw(scenes[3:5], lambda p: ImageOps.posterize(p, 5))
    result = memorisation(structure_features(np.concatenate([fresh, copies])), drawings)
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

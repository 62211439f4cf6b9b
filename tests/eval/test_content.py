"""Content: edges, layout and colours of parts survive a change of style, each in its own way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps

from eval.content import COLOUR_VIEW, colour_identification, content_identification, content_views
from eval.errors import EvalError
from eval.random_features import disc_pictures
from eval.structure import layout_features, structure_features


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
    for side in (64, 100, 256):
        greys = np.arange(0, 256, 5, dtype=np.uint8)[:, None, None, None]
        # Of every grey at every size: what rounding leaves has no direction.
        assert not structure_features(np.broadcast_to(greys, (len(greys), 3, side, side)).copy()).any()
    faint = np.full((1, 3, 256, 256), 128, np.uint8)
    faint[..., 100:110, 50:52] = 132
    assert np.linalg.norm(structure_features(faint)) > 0.5
    assert not layout_features(np.full((2, 3, 64, 64), 128, np.uint8)).any()
    with pytest.raises(EvalError, match="one result per photo"):
        content_identification(np.zeros((3, 4)), np.zeros((2, 4)))
    for features in (structure_features, layout_features):
        with pytest.raises(EvalError, match="uint8"):
            features(np.zeros((2, 3, 64, 64)))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: ImageOps.posterize(p, 3),
        lambda p: p.filter(ImageFilter.GaussianBlur(4)),
        lambda p: p.point(lambda level: round(255 * (level / 255) ** 2.5)),
        lambda p: ImageOps.grayscale(p),
    ],
    ids=["posterised", "blurred", "darkened", "grey"],
)
def test_layout_survives_a_change_of_tones(
    scenes: np.ndarray, change: Callable[[Image.Image], Image.Image]
) -> None:
    found = content_identification(layout_features(scenes), layout_features(redraw(scenes, change)))
    assert found.top1.value > 0.9
    assert list(found.nearest[found.ranks == 1]) == list(np.flatnonzero(found.ranks == 1))


def test_layout_of_a_negative_is_another(scenes: np.ndarray) -> None:
    found = content_identification(layout_features(scenes), layout_features(255 - scenes))
    assert found.top1.value == 0


def test_colours_match_after_a_tint_and_say_nothing_where_there_are_none() -> None:
    rng = np.random.default_rng(0)
    photos = rng.normal(size=(40, 6)) * [20, 8, 8, 10, 5, 5] + 50
    tinted = 0.5 * photos + [30, 4, -6, 10, 3, 3] + rng.normal(size=photos.shape) * 0.3
    assert colour_identification(photos, tinted).top1.value > 0.95
    assert colour_identification(photos, np.roll(tinted, 1, axis=0)).top1.value == 0
    lightness_only = tinted * [1, 0, 0, 1, 0, 0]
    assert colour_identification(photos, lightness_only).top1.value > 0.5
    blank = colour_identification(photos, np.full_like(photos, 60))
    assert (blank.ranks == 40).all()


def coloured_faces(n: int, shade: float) -> np.ndarray:
    """Pictures of a disc on hair, the hue of both by index, uint8 (n, 3, 64, 64)."""
    rng = np.random.default_rng(5)
    hair, skin = rng.uniform(0, 200, (n, 3)), rng.uniform(100, 220, (n, 3))
    rows, columns = np.mgrid[:64, :64]
    face = np.hypot(rows - 36, columns - 32) < 17
    pictures = np.where(face, skin[:, :, None, None], hair[:, :, None, None]) * shade + 255 * (1 - shade)
    return pictures.round().astype(np.uint8)


def test_views_take_the_pairs_with_a_face() -> None:
    photos, results = coloured_faces(12, 1.0), coloured_faces(12, 0.6)
    points = np.array([[25, 30], [39, 30], [32, 37], [27, 44], [37, 44]], float)

    def on_some(picture: np.ndarray) -> np.ndarray | None:
        return points if picture[0, 0, 0] % 2 else None

    found = content_views(photos, results, lambda _: points)
    assert found[COLOUR_VIEW].top1.value > 0.9
    assert found[COLOUR_VIEW].top1.n_x == 12
    some = content_views(photos, results, on_some)
    faces = sum(on_some(p.transpose(1, 2, 0)) is not None for p in photos)
    assert 5 <= faces < 12
    assert some[COLOUR_VIEW].top1.n_y == faces
    assert list(content_views(photos, results, lambda _: None)) == ["edges", "layout"]
    assert list(content_views(photos, results)) == ["edges", "layout"]

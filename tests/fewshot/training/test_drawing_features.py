"""What the style losses know of the drawings."""

import pytest
import torch

from eval.perceptual import load_perceptual, style_statistics
from eval.random_features import disc_pictures
from fewshot.training.drawing_features import PATCH, DrawingFeatures, sample_rows


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_statistics_are_those_of_all_drawings_however_they_are_batched() -> None:
    net = load_perceptual()
    drawings = disc_pictures(18, 64) * 2 - 1
    target = DrawingFeatures(drawings, net, generator(), rows=False)
    with torch.no_grad():
        whole = style_statistics(net((drawings + 1) / 2))
    for ours, expected in zip(target.statistics, whole, strict=True):
        assert torch.allclose(ours, expected.mean(0), atol=1e-5)
    assert target.rows == []
    assert float(target.style_loss(net((drawings + 1) / 2))) == pytest.approx(0, abs=1e-6)


def test_drawings_are_nearer_to_themselves_than_their_pale_copies_are() -> None:
    net = load_perceptual()
    drawings = disc_pictures(12, 64) * 2 - 1
    target = DrawingFeatures(drawings, net, generator(), rows=True)
    with torch.no_grad():
        near, far = (
            (target.swd(x, net((x + 1) / 2), generator(1)), target.outlier_loss(net((x + 1) / 2)))
            for x in (drawings, drawings * 0.2)
        )
    assert near[0] < 0.3 * far[0]
    # At most 1, and less where the least spread is larger than that of these drawings.
    assert near[1] <= 1
    assert near[1] < 0.5 * far[1]


def test_one_drawing_has_a_spread_all_the_same() -> None:
    net = load_perceptual()
    drawing = disc_pictures(1, 64) * 2 - 1
    target = DrawingFeatures(drawing, net, generator(), rows=True)
    assert all((spread > 0).all() for spread in target.spreads)
    assert torch.isfinite(target.outlier_loss(net((drawing + 1) / 2)))


def test_rows_are_patches_and_features_at_places_that_the_generator_chooses() -> None:
    images = torch.arange(2 * 3 * 16 * 16, dtype=torch.float32).reshape(2, 3, 16, 16)
    maps = [images[:, :2, ::2, ::2]]
    first, again, other = (sample_rows(images, maps, 9, generator(seed)) for seed in (0, 0, 1))
    assert [tuple(rows.shape) for rows in first] == [(2, 9, 3 * PATCH**2), (2, 9, 2)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    # A patch is contiguous: neighbours in a row of the picture differ by one here.
    neighbours = first[0].reshape(2, 9, PATCH, PATCH, 3).diff(dim=3)
    assert torch.equal(neighbours, torch.ones(2, 9, PATCH, PATCH - 1, 3))
    # A feature is that of one place: both channels of a place are 256 apart here.
    assert torch.equal(first[1].diff(dim=2), torch.full((2, 9, 1), 256.0))
    # Each picture has its own places: the second one's numbers begin at 768.
    assert first[0][0].max() < 768 <= first[0][1].min()


def test_a_result_is_nearest_to_the_drawing_that_it_is() -> None:
    net = load_perceptual()
    drawings = disc_pictures(6, 64) * 2 - 1
    target = DrawingFeatures(drawings, net, generator(), rows=True)
    with torch.no_grad():
        maps = net((drawings + 1) / 2)
        own, others = (
            float(target.swd(drawings, maps, generator(1), targets))
            for targets in (torch.arange(6), torch.arange(6).roll(1))
        )
    assert own < 0.1 * others

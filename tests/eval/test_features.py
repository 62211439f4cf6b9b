"""Extractors: shapes, determinism and their errors; and that they tell real artists apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from torch.nn import functional as F

from eval.colour_edge import _LINE_RADII, _grown, rgb_to_lab
from eval.distances import kid
from eval.errors import EvalError, UnknownNameError
from eval.features import Extractor, extract, get_extractor, list_extractors, takes_file
from eval.random_features import RandomNet, disc_pictures

FREE = ["random", "colour-edge"]


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Six synthetic pictures, uint8 (6, 3, 96, 96)."""
    return (disc_pictures(6, 96, seed=3, discs=20) * 255).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("name", FREE)
def test_features_are_finite_deterministic_and_independent_of_the_batch(
    name: str, pictures: np.ndarray
) -> None:
    extractor = get_extractor(name)
    features = extract(extractor, pictures)
    assert features.shape == (6, extractor.dim)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert len(np.unique(features.round(3), axis=0)) == 6
    assert np.allclose(features, extract(extractor, pictures, batch=4), atol=1e-4)
    assert np.allclose(features[::-1], extract(get_extractor(name), pictures[::-1].copy()), atol=1e-4)
    assert len(extractor.sha256) == 64
    assert "128x128" in extractor.resize
    assert extractor.standardised
    assert extract(extractor, pictures[:0]).shape == (0, extractor.dim)
    assert 0.1 < (features**2).mean() < 4, "far from one, KID's kernel would see one of its terms only"


@pytest.mark.parametrize("name", FREE)
def test_any_shape_of_picture_and_flat_ones_give_finite_features(name: str) -> None:
    extractor = get_extractor(name)
    for shape in ((1, 3, 16, 16), (2, 3, 40, 300), (1, 3, 250, 200)):
        assert torch.isfinite(extractor(torch.rand(shape))).all()
    for value in (0.0, 1.0):
        assert torch.isfinite(extractor(torch.full((1, 3, 64, 64), value))).all()


def test_random_features_ignore_the_global_seed_and_dtype() -> None:
    from eval import random_features

    before = random_features.RandomEnsemble().members[1].get_buffer("filters0").clone()
    torch.manual_seed(99)
    torch.set_default_dtype(torch.float64)
    try:
        after = random_features.RandomEnsemble().members[1].get_buffer("filters0")
    finally:
        torch.set_default_dtype(torch.float32)
    assert after.dtype == torch.float32
    assert torch.equal(before, after)
    assert after.std().item() == pytest.approx((2 / 75) ** 0.5, rel=0.05)


def test_lab_matches_scikit_image(pictures: np.ndarray) -> None:
    theirs = rgb2lab(pictures[0].transpose(1, 2, 0)).transpose(2, 0, 1)
    ours = rgb_to_lab(torch.from_numpy(pictures[:1]).float() / 255)[0].numpy()
    assert np.abs(ours - theirs).max() < 0.02


@pytest.mark.parametrize(
    ("name", "hint"), [("randm", "'random'"), ("color-edge", "'colour-edge'"), ("zzz", "one of")]
)
def test_unknown_names_get_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_extractor(name)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 4


def test_every_listed_name_is_known_and_described() -> None:
    shipped = ["random", "random-steering", "colour-edge", "style", "perceptual"]
    with_files = ["squeezenet", "inception", "timm:<model>"]
    assert set(list_extractors()) == {*shipped, "style-unseen:<artist>", *with_files}
    assert [name for name in list_extractors() if takes_file(name)] == with_files
    assert len({get_extractor(name).sha256 for name in shipped}) == len(shipped)


def test_wrong_input_is_named(pictures: np.ndarray) -> None:
    extractor = get_extractor("colour-edge")
    for wrong in (pictures.astype(np.float32), pictures[0], pictures.transpose(0, 2, 3, 1)):
        with pytest.raises(EvalError, match="uint8 pictures"):
            extract(extractor, wrong)
    with pytest.raises(EvalError, match="float pictures"):
        extractor(torch.from_numpy(pictures))
    for given in ({"weights": Path("x")}, {"sha256": "0" * 64}):
        with pytest.raises(EvalError, match="takes no weight file"):
            get_extractor("random", **given)


class _Broken(torch.nn.Module):
    """A network that answers NaN to every picture brighter than half."""

    dim = 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean((1, 2, 3))
        return torch.stack([mean, mean / (mean < 0.5)], 1)


def test_features_that_are_not_finite_are_refused_with_the_pictures_name() -> None:
    broken = Extractor("broken", "0" * 64, 2, "none", True, _Broken())
    pictures = np.zeros((4, 3, 32, 32), np.uint8)
    assert np.isfinite(extract(broken, pictures)).all()
    pictures[2:] = 200
    with pytest.raises(EvalError, match=r"^c: .*'broken' \(and of 1 more\) are not finite"):
        extract(broken, pictures, names=list("abcd"))
    with pytest.raises(EvalError, match="picture 3 of 4"):
        extract(broken, pictures, batch=1)


def test_autocast_around_an_extractor_changes_nothing(pictures: np.ndarray) -> None:
    extractor = get_extractor("random")
    alone = extract(extractor, pictures)
    with torch.autocast("cpu", torch.bfloat16):
        assert np.array_equal(extract(extractor, pictures), alone)


@pytest.mark.parametrize("name", FREE)
def test_kid_between_halves_of_an_artist_is_far_below_kid_between_artists(
    name: str, artist_features: Callable[[str], dict[str, np.ndarray]]
) -> None:
    """Median over artists: half against half is less than a tenth of one artist against another."""
    features = {artist: rows for artist, rows in artist_features(name).items() if len(rows) >= 20}
    within = [abs(kid(rows[::2], rows[1::2])) for rows in features.values()]
    between = [kid(features[a], features[b]) for a in features for b in features if a < b]
    assert np.median(within) < 0.1 * np.median(between)


@pytest.mark.parametrize("radius", _LINE_RADII)
def test_dilation_is_that_of_a_pooling(radius: int) -> None:
    surface = torch.rand(2, 1, 21, 34)
    assert torch.equal(_grown(surface, radius), F.max_pool2d(surface, 2 * radius + 1, 1, radius))


def test_random_features_are_means_and_deviations() -> None:
    net, images = RandomNet(7, 3, (4,)), torch.rand(3, 3, 16, 16)
    (found,) = net(images)
    x = F.relu(F.conv2d(F.pad(images, (1,) * 4, mode="reflect"), net.get_buffer("filters0"), stride=2))
    wanted = torch.cat([x.mean((2, 3)), x.flatten(2).std(2, unbiased=False)], 1)
    torch.testing.assert_close(found, wanted)

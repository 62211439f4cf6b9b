"""The comparison methods: each does what its paper says, as far as a small picture can tell."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from base_models.checkpoint import BaseModel
from base_models.losses import content_loss
from base_models.registry import create_model
from eval.colour_edge import rgb_to_lab
from eval.perceptual import load_perceptual, style_statistics
from fewshot.data.style_set import StyleSet
from fewshot.errors import UsageError
from fewshot.evaluation.rivals import RIVALS, Redraw
from fewshot.evaluation.rivals.optimised import minimise
from fewshot.evaluation.rivals.reinhard import colour_statistics, matched
from fewshot.inference.torch_engine import TorchEngine
from fewshot.samples import sample_folder

Redrawn = Callable[[str], tuple[Redraw, NDArray[np.uint8]]]
SIDE = 32
MINUTES = 0.01


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return create_model("scan_tiny")


@pytest.fixture(scope="module")
def drawings() -> Tensor:
    """Six drawings of the shipped ink hand."""
    return StyleSet.from_folder(sample_folder("ink"), size=SIDE, limit=6).tensor()


@pytest.fixture(scope="module")
def photos() -> NDArray[np.uint8]:
    """Soft, coloured faces of another hand stand in for photos: upright, upside down and lying."""
    upright, turned, lying = StyleSet.from_folder(sample_folder("pastel"), size=SIDE, limit=3).tensor()
    return torch.stack([upright, turned.flip(1), lying.transpose(1, 2)]).numpy()


@pytest.fixture(scope="module")
def redrawn(drawings: Tensor, base: BaseModel, photos: NDArray[np.uint8]) -> Redrawn:
    """A method's `redraw`, and what it makes of the photos, by name; made once."""

    @cache
    def make(name: str) -> tuple[Redraw, NDArray[np.uint8]]:
        redraw = prepared(name, drawings, base)
        return redraw, redraw(photos)

    return make


def prepared(name: str, drawings: Tensor, base: BaseModel) -> Redraw:
    return RIVALS[name].prepare(drawings, base, photos=None, minutes=MINUTES, seed=0)


def lab(pictures: NDArray[np.uint8]) -> NDArray[np.floating]:
    """CIELAB `(3, pixels)` by the implementation of `eval`, which is not the one under test."""
    return rgb_to_lab(torch.from_numpy(pictures).double() / 255).transpose(0, 1).flatten(1).numpy()


def test_the_registry_loads_nothing_heavy() -> None:
    code = (
        "import sys, fewshot.evaluation.rivals; print(*{'torch', 'skimage', 'accelerate'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_table_asks_for_these_methods() -> None:
    assert list(RIVALS) == [
        "photo",
        "base",
        "reinhard",
        "reinhard-base",
        "gatys",
        "adain",
        "cyclegan-scratch",
    ]
    assert [rival.name for rival in RIVALS.values() if rival.trains] == ["cyclegan-scratch"]
    assert all(name == rival.name and "\n" not in rival.summary for name, rival in RIVALS.items())


@pytest.mark.parametrize("name", RIVALS)
def test_every_method_redraws_any_number_of_photos_and_leaves_them_alone(
    name: str, redrawn: Redrawn, photos: NDArray[np.uint8]
) -> None:
    before = photos.copy()
    redraw, results = redrawn(name)
    assert results.shape == photos.shape
    assert results.dtype == np.uint8
    assert np.array_equal(photos, before)
    assert np.array_equal(results, photos) == (name == "photo")
    assert redraw(photos[:0]).shape == (0, 3, SIDE, SIDE)


def test_the_base_alone_is_what_the_engine_draws(
    drawings: Tensor, base: BaseModel, photos: NDArray[np.uint8]
) -> None:
    expected = TorchEngine(base).stylize(photos)
    assert np.array_equal(prepared("base", drawings, base)(photos), expected)


def test_colour_transfer_gives_every_picture_the_drawings_mean_and_deviation(drawings: Tensor) -> None:
    mean, deviation = colour_statistics(drawings.numpy())
    reference = lab(drawings.numpy())
    np.testing.assert_allclose(mean, reference.mean(1), atol=0.02)
    np.testing.assert_allclose(deviation, reference.std(1), atol=0.02)
    picture = np.random.default_rng(0).normal((40, 10, -5), (9, 3, 6), (SIDE, SIDE, 3))
    result = matched(picture, mean, deviation)
    np.testing.assert_allclose(result.mean((0, 1)), mean, atol=1e-9)
    np.testing.assert_allclose(result.std((0, 1)), deviation, atol=1e-9)
    correlation = np.corrcoef(picture[..., 0].ravel(), result[..., 0].ravel())[0, 1]
    assert correlation == pytest.approx(1)


def test_colour_transfer_is_exact_in_the_picture_where_rgb_can_show_it(base: BaseModel) -> None:
    """Soft colours in the middle of the cube, so that nothing is clipped; only rounding is left."""
    noise = np.random.default_rng(1)
    muted = torch.from_numpy(noise.integers(110, 150, (4, 3, SIDE, SIDE)).astype(np.uint8))
    picture = noise.integers(60, 200, (1, 3, SIDE, SIDE)).astype(np.uint8)
    result = lab(prepared("reinhard", muted, base)(picture))
    wanted = lab(muted.numpy())
    np.testing.assert_allclose(result.mean(1), wanted.mean(1), atol=0.1)
    np.testing.assert_allclose(result.std(1), wanted.std(1), atol=0.1)


def test_colour_transfer_of_grey_drawings_is_grey_and_of_a_flat_photo_flat(
    drawings: Tensor, base: BaseModel, photos: NDArray[np.uint8]
) -> None:
    grey = drawings.float().mean(1, keepdim=True).round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    redraw = prepared("reinhard", grey, base)
    assert np.ptp(redraw(photos).astype(int), axis=1).max() <= 1
    flat = redraw(np.full((1, 3, SIDE, SIDE), 90, np.uint8))
    assert np.ptp(flat) <= 1
    assert lab(flat)[0].mean() == pytest.approx(lab(grey.numpy())[0].mean(), abs=0.5)


@pytest.mark.parametrize("name", ["gatys", "adain"])
def test_optimised_pictures_get_the_drawings_statistics_and_keep_their_photo(
    name: str, redrawn: Redrawn, drawings: Tensor, photos: NDArray[np.uint8]
) -> None:
    results, net = redrawn(name)[1], load_perceptual()

    def maps(pictures: NDArray[np.uint8]) -> list[Tensor]:
        return net(torch.from_numpy(pictures).float() / 255)

    targets = [s.mean(0) for s in style_statistics(maps(drawings.numpy()))]
    for target, before, after in zip(
        targets, style_statistics(maps(photos)), style_statistics(maps(results)), strict=True
    ):
        assert ((after - target).norm(dim=1) < 0.7 * (before - target).norm(dim=1)).all()
    # By layout, since the drawings' statistics are what all three results share.
    found, own = maps(results)[1], maps(photos)[1]
    apart = [[float(content_loss(f[None], o[None])) for o in own] for f in found]
    assert np.argmin(apart, 1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["gatys", "adain"])
def test_a_picture_does_not_depend_on_its_batch(
    name: str, redrawn: Redrawn, photos: NDArray[np.uint8]
) -> None:
    redraw, together = redrawn(name)
    alone = redraw(photos[1:2])
    # Convolutions may sum in another order for another batch, and many steps make that visible, barely.
    assert np.abs(alone.astype(int) - together[1:2]).mean() < 3
    assert np.abs(photos[1:2].astype(int) - together[1:2]).mean() > 10
    assert np.array_equal(alone, redraw(photos[1:2]))


def test_minimise_reaches_the_least_point_inside_the_range() -> None:
    wanted = torch.tensor([-0.5, 0.3, 1.5]).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    found = minimise(torch.full((2, 3, 4, 4), 0.5), lambda x, _: (x - wanted).square().flatten(1).sum(1))
    torch.testing.assert_close(found, wanted.clamp(0, 1), atol=0.01, rtol=0)


def test_a_cyclegan_needs_minutes(drawings: Tensor, base: BaseModel) -> None:
    with pytest.raises(UsageError, match="neither steps nor minutes"):
        RIVALS["cyclegan-scratch"].prepare(drawings, base, photos=None, minutes=0, seed=0)


def test_a_cyclegan_starts_from_its_seed_and_not_from_the_base(
    drawings: Tensor, base: BaseModel, photos: NDArray[np.uint8]
) -> None:
    other = create_model("scan_tiny", seed=5)
    given = torch.from_numpy(photos)
    results = [
        RIVALS["cyclegan-scratch"].prepare(drawings, b, photos=given, minutes=1e-9, seed=seed)(photos)
        for b, seed in ((base, 0), (other, 0), (base, 1))
    ]
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])

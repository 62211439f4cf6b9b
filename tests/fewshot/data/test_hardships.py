"""Hard photos made for training: what each hardship may change, and that a generator decides everything."""

import pytest
import torch
from torch import Tensor

from fewshot.data.hardships import HARDSHIPS, SHIFT, Hardship, spoil, tilt

NAMES = [hardship.__name__ for hardship in HARDSHIPS]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 8, size: int = 32) -> Tensor:
    return torch.rand(count, 3, size, size, generator=generator(9)) * 1.8 - 0.9


def hardship(name: str) -> Hardship:
    return HARDSHIPS[NAMES.index(name)]


def test_tilt_changes_the_chosen_ones_alone_and_as_it_would_change_all() -> None:
    before = images(40)
    some, every = tilt(before, 0.5, generator()), tilt(before, 1.0, generator())
    changed = (some != before).flatten(1).any(1)
    assert 8 < int(changed.sum()) < 32
    assert torch.equal(some[changed], every[changed])
    assert (every != before).flatten(1).any(1).all()
    assert torch.equal(tilt(before, 0.0, generator()), before)
    assert every.abs().max() <= before.abs().max()


def test_tilt_keeps_the_middle_near_the_middle() -> None:
    size = 64
    rows, columns = torch.meshgrid(torch.arange(size) - 31.5, torch.arange(size) - 31.5, indexing="ij")
    disc = ((rows.square() + columns.square()) < 100).float().expand(50, 3, size, size)
    tilted = tilt(disc, 1.0, generator())[:, 0]
    weight = tilted.sum((1, 2))
    furthest = SHIFT * size / 2 * 1.2
    for axis in (rows, columns):
        centre = (tilted * axis).sum((1, 2)) / weight
        assert centre.abs().max() <= furthest
        assert centre.abs().max() > furthest / 4


@pytest.mark.parametrize("name", NAMES)
def test_a_hardship_changes_pictures_and_repeats_with_its_generator(name: str) -> None:
    before = images()
    after = hardship(name)(before, generator(1))
    assert after.shape == before.shape
    assert after.isfinite().all()
    assert (after != before).flatten(1).any(1).all()
    assert torch.equal(after, hardship(name)(before, generator(1)))
    assert not torch.equal(after, hardship(name)(before, generator(2)))


def test_what_each_hardship_does() -> None:
    before = images()
    assert (hardship("_side_light")(before, generator()) <= before).all()
    chroma = (before - before.mean(1, keepdim=True)).abs().mean()
    grey = hardship("_grey")(before, generator())
    assert (grey - grey.mean(1, keepdim=True)).abs().mean() < 0.35 * chroma
    soft = hardship("_low_resolution")(before, generator())
    assert soft.diff(dim=-1).abs().mean() < 0.5 * before.diff(dim=-1).abs().mean()
    occluded = hardship("_occlude")(before, generator())
    untouched = ((occluded - before).abs() < 1e-3).all(1).float().mean((1, 2))
    assert (untouched > 0.4).all()
    assert (untouched < 0.99).all()
    exposed = hardship("_exposure")(before, generator())
    order = before[0].flatten().argsort()
    assert (exposed[0].flatten()[order].diff() >= -1e-5).all()


def test_spoiled_photos_stay_in_range_and_none_are_spoiled_by_chance_zero() -> None:
    before = images(30)
    assert torch.equal(spoil(before, 0.0, generator()), before)
    after = spoil(before, 0.1, generator())
    assert after.abs().max() <= 1
    changed = (after != before).flatten(1).any(1)
    # 1 - 0.9 ** 6 = 47 % of 30.
    assert 6 < int(changed.sum()) < 23

"""Augmentation: ranges, windows, the same numbers for the same generator, and gradients."""

import pytest
import torch
from torch import Tensor

from fewshot.data.augment import POLICIES, differentiable, jitter, random_crop_flip, to_float, to_uint8


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 4, size: int = 16) -> Tensor:
    return torch.rand(count, 3, size, size, generator=generator(9)) * 2 - 1


def test_uint8_survives_the_way_to_float_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    floats = to_float(pixels)
    assert (float(floats.min()), float(floats.max())) == (-1, 1)
    assert torch.equal(to_uint8(floats), pixels)
    assert torch.equal(to_uint8(3 * floats.sign()), to_uint8(floats.sign()))


def test_windows_are_cut_from_the_picture_and_mirrored_half_of_the_time() -> None:
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(20), indexing="ij")
    picture = torch.stack([rows, columns, rows * 0]).to(torch.uint8)
    windows = random_crop_flip(picture.expand(400, 3, 20, 20), 16, generator())
    assert windows.shape == (400, 3, 16, 16)
    steps = windows[:, 1, 0, 1].int() - windows[:, 1, 0, 0].int()
    assert set(steps.tolist()) == {1, -1}
    assert 150 < int((steps == -1).sum()) < 250
    assert set(windows[:, 0, 0, 0].tolist()) == {0, 1, 2, 3, 4}
    assert set(windows[:, 1, 0].min(1).values.tolist()) == {0, 1, 2, 3, 4}
    unflipped = random_crop_flip(picture.expand(50, 3, 20, 20), 16, generator(), flip=False)
    assert (unflipped[:, 1, 0, 1] > unflipped[:, 1, 0, 0]).all()


def test_jitter_keeps_the_range_and_zero_strength_the_picture() -> None:
    x = images()
    assert torch.equal(jitter(x, 0.0, generator()), x)
    strong = jitter(x, 0.9, generator())
    assert strong.abs().max() <= 1
    assert not torch.equal(strong[0] - x[0], strong[1] - x[1])


@pytest.mark.parametrize("policy", POLICIES)
def test_each_policy_changes_pictures_repeats_and_lets_gradients_through(policy: str) -> None:
    x = images(8).requires_grad_(True)
    one, other = (differentiable(x, (policy,), generator(3)) for _ in range(2))
    assert torch.equal(one, other)
    assert one.shape == x.shape
    assert not torch.equal(one, x)
    one.square().sum().backward()
    assert x.grad is not None
    # What was cut out or shifted out gets none; everything that is still seen does.
    assert 0.2 < float((x.grad != 0).float().mean()) <= 1


def test_the_gradient_of_all_policies_together_is_right() -> None:
    x = images(2, 8).double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda t: differentiable(t, POLICIES, generator(1)), (x,))


def test_no_policy_is_the_identity() -> None:
    x = images()
    assert differentiable(x, (), generator()) is x


def test_a_shift_moves_by_at_most_an_eighth() -> None:
    x = torch.zeros(64, 3, 16, 16)
    x[:, :, 8, 8] = 1
    places = differentiable(x, ("shift",), generator())[:, 0].nonzero()
    assert len(places) == 64
    assert (places[:, 1:] - 8).abs().max() == 2

"""Losses and discriminators against values worked out by hand or by torch itself."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from base_models.discriminators import FeatureDiscriminator, PatchGAN
from base_models.losses import (
    colour_loss,
    content_loss,
    cycle_loss,
    evenness_loss,
    gradient_penalty,
    lsgan_discriminator,
    lsgan_generator,
    outlier_loss,
    sliced_wasserstein,
    style_loss,
    tone_loss,
    total_variation,
)


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_lsgan_by_hand() -> None:
    real, fake = torch.tensor([1.0, 0.5]), torch.tensor([0.0, 0.5])
    assert lsgan_generator(fake) == pytest.approx((1 + 0.25) / 2)
    assert lsgan_discriminator(real, fake) == pytest.approx(0.5 * (0.25 / 2 + 0.25 / 2))


def test_lsgan_averages_over_the_maps_of_one_discriminator() -> None:
    maps = [torch.zeros(2, 1, 3, 3), torch.full((2, 1, 9, 9), 0.5)]
    assert lsgan_generator(maps) == pytest.approx((1 + 0.25) / 2)
    assert lsgan_discriminator(maps, maps) == pytest.approx((0.5 * 1 + 0.5 * (0.25 + 0.25)) / 2)
    with pytest.raises(ValueError, match="zip"):
        lsgan_discriminator(maps, maps[:1])


def test_cycle_loss_is_the_mean_absolute_difference() -> None:
    assert cycle_loss(torch.tensor([1.0, -1.0]), torch.tensor([0.5, 0.5])) == pytest.approx(1.0)


def test_the_penalty_of_a_linear_discriminator_is_known() -> None:
    weight = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)

    class Linear(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * weight).sum(1, keepdim=True)

    # One pixel: the gradient is the weight itself, of norm 5.
    pictures = rand(2, 2, 1, 1)
    assert gradient_penalty(Linear(), pictures, pictures, rand(2, 1, 1, 1)) == pytest.approx(16.0)


def test_the_penalty_agrees_with_a_plain_reference() -> None:
    torch.manual_seed(0)
    netD = PatchGAN(3, 4, 2)
    real, fake = rand(3, 3, 32, 32), rand(5, 3, 32, 32, seed=1)
    mix = torch.rand(3, 1, 1, 1, generator=torch.Generator().manual_seed(7))
    ours = gradient_penalty(netD, real, fake, mix)
    norms = []
    for one, other, share in zip(real, fake, mix, strict=False):
        x = (share * one + (1 - share) * other)[None].requires_grad_(True)
        (gradient,) = torch.autograd.grad(netD(x).mean(), x)
        norms.append(gradient.norm())
    torch.testing.assert_close(ours, (torch.stack(norms) - 1).square().mean())


def test_the_penalty_trains_the_discriminator_and_is_float32_under_autocast() -> None:
    torch.manual_seed(0)
    netD = PatchGAN(3, 4, 2)
    real, fake = rand(2, 3, 32, 32), rand(2, 3, 32, 32, seed=1)
    mix = torch.rand(2, 1, 1, 1, generator=torch.Generator().manual_seed(7))
    plain = gradient_penalty(netD, real, fake, mix)
    with torch.autocast("cpu", torch.bfloat16):
        cast = gradient_penalty(netD, real, fake.bfloat16(), mix)
    assert cast.dtype == torch.float32
    torch.testing.assert_close(cast, plain, rtol=1e-2, atol=1e-3)
    plain.backward()
    gradients = [p.grad for p in netD.parameters() if p.ndim == 4]
    assert all(g is not None and g.abs().max() > 0 for g in gradients)


def test_style_loss_by_hand() -> None:
    statistics = [torch.tensor([[1.0, 3.0], [3.0, 5.0]]), torch.tensor([[2.0]])]
    target = [torch.tensor([[2.0, 2.0]]), torch.tensor([1.0])]
    # Means over the batch: (2, 4) and 2; differences (0, 2) and 1; target mean squares 4 and 1.
    assert style_loss(statistics, target) == pytest.approx(2 / 4 + 1)


def test_content_loss_ignores_gain_and_offset_of_a_map() -> None:
    maps = rand(2, 5, 8, 8)
    assert content_loss(maps, maps) == pytest.approx(0, abs=1e-6)
    assert content_loss(3 * maps + 7, maps) == pytest.approx(0, abs=1e-5)
    opposite = 2 * maps.mean((2, 3), keepdim=True) - maps
    assert content_loss(opposite, maps) == pytest.approx(2, abs=1e-5)


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[0.0, 1.0], [3.0, 1.0]]).view(1, 1, 2, 2)
    assert total_variation(image) == pytest.approx((1 + 2) / 2 + (3 + 0) / 2)


def test_the_feature_discriminator_trains_its_heads_alone() -> None:
    features = nn.Conv2d(3, 6, 3, 2).requires_grad_(False)
    netD = FeatureDiscriminator(lambda x: [features(x), F.relu(features(x))], (6, 6), width=4)
    assert not any("features" in name for name in netD.state_dict())
    x = (rand(2, 3, 16, 16) * 2 - 1).requires_grad_(True)
    scores = netD(x)
    assert [tuple(s.shape) for s in scores] == [(2, 1, 7, 7)] * 2
    lsgan_generator(scores).backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_a_spectral_patch_discriminator_is_bounded_in_slope() -> None:
    torch.manual_seed(0)
    netD = PatchGAN(3, 8, 2, norm=False, spectral=True).train()
    for _ in range(30):
        netD(rand(1, 3, 32, 32))
    for module in netD.eval().modules():
        if isinstance(module, nn.Conv2d):
            assert float(torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2)) == pytest.approx(
                1, abs=0.02
            )


def test_coarse_colours_leave_lines_free_and_hold_areas() -> None:
    photo = rand(2, 3, 32, 32)
    chequer = torch.tensor([[0.3, -0.3], [-0.3, 0.3]]).repeat(16, 16)
    assert float(colour_loss(photo + chequer, photo)) == pytest.approx(0, abs=1e-6)
    darker = photo.clone()
    darker[..., :16] -= 0.2
    assert float(colour_loss(darker, photo)) == pytest.approx(0.1, abs=1e-6)


def test_sliced_wasserstein_in_one_dimension_is_scipys_quantile_distance() -> None:
    from scipy.stats import wasserstein_distance

    ours, theirs = rand(200, 1), rand(200, 1, seed=1) * 3 + 1
    found = sliced_wasserstein(ours, theirs, torch.ones(1, 1)) * theirs.var()
    # Sorted values are the optimal plan; SciPy has its first moment, the squared one follows from the same.
    moved = ours.sort(0).values - theirs.sort(0).values
    assert float(moved.abs().mean()) == pytest.approx(
        wasserstein_distance(ours[:, 0].numpy(), theirs[:, 0].numpy()), rel=1e-5
    )
    assert float(found) == pytest.approx(float(moved.square().mean()), rel=1e-5)


def test_sliced_wasserstein_of_a_shift_is_what_the_directions_see_of_it() -> None:
    rows, shift = rand(64, 5), torch.tensor([1.0, 0.0, -2.0, 0.0, 0.5])
    directions = F.normalize(rand(5, 7, seed=2) - 0.5, dim=0)
    expected = (shift @ directions).square().mean() / ((rows + shift) @ directions).var(0).mean()
    assert sliced_wasserstein(rows, rows + shift, directions) == pytest.approx(float(expected), rel=1e-4)
    shuffled = rows[torch.randperm(64, generator=torch.Generator().manual_seed(3))]
    assert sliced_wasserstein(shuffled, rows, directions) == pytest.approx(0, abs=1e-9)


def test_sliced_wasserstein_of_groups_is_that_of_each_group_alone() -> None:
    ours, theirs = rand(90, 5), rand(90, 5, seed=1) + 1
    groups = torch.arange(90) % 3
    directions = F.normalize(rand(5, 7, seed=2) - 0.5, dim=0)
    found = sliced_wasserstein(ours, theirs, directions, groups)
    size = (theirs @ directions).var(0).mean()
    alone = [
        ((ours[groups == g] @ directions).sort(0).values - (theirs[groups == g] @ directions).sort(0).values)
        for g in range(3)
    ]
    assert float(found) == pytest.approx(float(torch.cat(alone).square().mean() / size), rel=1e-4)
    # Two sets that hold the same values in swapped groups are equal as a whole, and not by groups.
    rows = torch.cat([torch.zeros(10, 5), torch.ones(10, 5)])
    halves = torch.arange(20) // 10
    assert sliced_wasserstein(rows, rows.flip(0), directions) == pytest.approx(0, abs=1e-9)
    assert sliced_wasserstein(rows, rows.flip(0), directions, halves) > 0.5


def test_outliers_are_measured_in_the_drawings_own_spread() -> None:
    mean, spread = rand(6), rand(6, seed=1) + 0.1
    drawn = mean + spread * torch.randn(5000, 6, generator=torch.Generator().manual_seed(2))
    assert outlier_loss([drawn], [mean], [spread]) == pytest.approx(1, abs=0.03)
    # Two results that err in opposite ways have the right average and are outliers all the same.
    pair = torch.stack([mean + 3 * spread, mean - 3 * spread])
    assert outlier_loss([pair], [mean], [spread]) == pytest.approx(9, rel=1e-4)
    assert style_loss([pair], [mean]) == pytest.approx(0, abs=1e-9)


def test_tone_knows_order_and_not_brightness() -> None:
    photo = rand(2, 3, 32, 32) * 2 - 1
    assert tone_loss(photo * 0.3 + 0.5, photo) == pytest.approx(0, abs=1e-5)
    assert tone_loss(-photo, photo) == pytest.approx(2, abs=1e-5)
    chequer = torch.tensor([[0.3, -0.3], [-0.3, 0.3]]).repeat(16, 16)
    assert tone_loss(photo + chequer, photo) == pytest.approx(0, abs=1e-5)
    assert torch.isfinite(tone_loss(torch.zeros(1, 3, 32, 32), photo[:1]))


def test_evenness_tells_a_shade_from_two_flat_faces() -> None:
    """Same colours in both sets, so that the Wasserstein distance of the values is nothing."""
    rng = torch.Generator().manual_seed(0)
    flat = torch.stack([torch.zeros(200, 1), torch.ones(200, 1)])
    shaded = torch.rand(2, 200, 1, generator=rng).round()
    groups = torch.zeros(2, 199, dtype=torch.long)

    def away(ours: Tensor, theirs: Tensor) -> float:
        differences = theirs.diff(dim=1)
        return float(evenness_loss(ours.diff(dim=1), differences, groups, torch.tensor([0.01])))

    assert away(flat, flat) == 0
    assert away(shaded, flat) == pytest.approx(float(shaded.diff(dim=1).abs().mean()) / 0.1)
    assert away(shaded, shaded.flip(1)) == pytest.approx(0, abs=1e-6)


def test_evenness_compares_each_group_with_its_own() -> None:
    ours, theirs = torch.zeros(1, 100, 2), torch.zeros(1, 100, 2)
    groups = (torch.arange(100) >= 50).long()[None]
    ours[0, :50], theirs[0, 50:] = 0.5, 0.5
    assert evenness_loss(ours, theirs, groups, torch.ones(2)) == pytest.approx(0.5)
    assert evenness_loss(ours, theirs, torch.zeros_like(groups), torch.ones(2)) == pytest.approx(0)


def test_content_and_tone_count_where_they_are_told_to() -> None:
    left = torch.zeros(2, 1, 32, 32)
    left[..., :16] = 1
    photo, other = rand(2, 3, 32, 32), rand(2, 3, 32, 32, seed=1)
    half = torch.where(left.bool(), photo, other)
    assert tone_loss(half, photo, weight=left) == pytest.approx(0, abs=1e-5)
    assert tone_loss(half, photo, weight=1 - left) > 0.3
    whole = torch.ones_like(left)
    assert tone_loss(half, photo, weight=whole) == pytest.approx(float(tone_loss(half, photo)), rel=1e-4)
    assert content_loss(half, photo, whole) == pytest.approx(float(content_loss(half, photo)), rel=1e-4)
    assert content_loss(half, photo, left) < 0.1 * content_loss(half, photo, 1 - left)

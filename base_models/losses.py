"""The losses, each a pure function of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from base_models.discriminators import as_list

Scores = Tensor | list[Tensor]


def lsgan_generator(fake_scores: Scores) -> Tensor:
    """LSGAN for the generator (arXiv 1611.04076): mean (D(fake) - 1)², averaged over the maps."""
    return torch.stack([(s - 1).square().mean() for s in as_list(fake_scores)]).mean()


def lsgan_discriminator(real_scores: Scores, fake_scores: Scores) -> Tensor:
    """LSGAN for the discriminator: half of mean (D(real) - 1)² + mean D(fake)²."""
    pairs = zip(as_list(real_scores), as_list(fake_scores), strict=True)
    return torch.stack([0.5 * ((r - 1).square().mean() + f.square().mean()) for r, f in pairs]).mean()


def cycle_loss(reconstruction: Tensor, original: Tensor) -> Tensor:
    """L1 between rec and real (CycleGAN, arXiv 1703.10593, eq. 2)."""
    return F.l1_loss(reconstruction, original)


def gradient_penalty(netD: nn.Module, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Two-sided penalty on straight lines between real and fake (WGAN-GP, arXiv 1704.00028, eq. 3).

    Args:
        real, fake: pictures `(B, 3, H, W)`; of unequal batches the shorter length is used.
        mix: each picture's place on its line `(B, 1, 1, 1)`, 1 at the real one; uniform in the reference.

    Returns mean (||∇D(x̂)||₂ - 1)², to be weighted by 10 in the reference. The gradient is that of the patch
    scores' mean, so that its size does not grow with the number of patches. Always computed in float32: half
    precision loses the second derivative.
    """
    count = min(len(real), len(fake))
    with torch.autocast(real.device.type, enabled=False):
        between = (
            mix[:count] * real[:count].detach().float() + (1 - mix[:count]) * fake[:count].detach().float()
        ).requires_grad_()
        scores = torch.stack([s.flatten(1).mean(1) for s in as_list(netD(between))]).sum()
        (gradient,) = torch.autograd.grad(scores, between, create_graph=True)
        return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def style_loss(statistics: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Squared distance of channel means and standard deviations to the drawings' mean, summed over layers.

    Args:
        statistics: per layer `(B, 2C)`, of the results.
        target: per layer `(2C,)` or `(1, 2C)`, the mean over the drawings.

    The batch is averaged first: the drawings differ from each other, and so may the results. Each layer is
    divided by the target's mean square, so that no layer drowns the others (arXiv 1701.01036 matches the same
    statistics).
    """
    pairs = zip(statistics, target, strict=True)
    terms = [(s.mean(0) - t.reshape(-1)).square().mean() / t.square().mean() for s, t in pairs]
    return torch.stack(terms).sum()


def outlier_loss(statistics: Sequence[Tensor], mean: Sequence[Tensor], spread: Sequence[Tensor]) -> Tensor:
    """How far each result's own statistics are from what the drawings' vary in: about 1 for a drawing.

    Args:
        statistics: per layer `(B, 2C)`, of the results.
        mean, spread: per layer `(2C,)`, over the drawings; spread positive.

    The mean square of (s - mean) / spread, averaged over layers: twice the negative log-likelihood of a
    normal distribution with a diagonal covariance, but for a constant. `style_loss` averages the batch first,
    so that one pale result makes up for a dark one; this looks at each.
    """
    layers = zip(statistics, mean, spread, strict=True)
    return torch.stack([((s - m) / d).square().mean() for s, m, d in layers]).mean()


def sliced_wasserstein(
    rows: Tensor, target: Tensor, directions: Tensor, groups: Tensor | None = None
) -> Tensor:
    """Sliced Wasserstein distance of two sets of features (arXiv 2006.07229, eq. 4), a number without unit.

    Args:
        rows: `(..., N, C)`, of the results; with leading dimensions the mean over pairs of sets.
        target: `(..., N, C)`, of the drawings.
        directions: `(C, P)`, each column of length one.
        groups: whole numbers `(..., N)` of both sets, which then are compared group by group.

    Both sets are projected on each direction and sorted; the loss is the mean squared difference of what ends
    up in the same place, divided by the variance over all of the target. Means and deviations tell less: they
    miss that a drawing has few values, such as paper and ink, and nothing between.
    """
    return projected_wasserstein((rows @ directions).float(), (target @ directions).float(), groups)


def projected_wasserstein(
    ours: Tensor, theirs: Tensor, groups: Tensor | None = None, variance: Tensor | None = None
) -> Tensor:
    """`sliced_wasserstein` of sets that are projected already, `(..., N, P)`.

    Args:
        variance: of the target on each direction `(P,)`, where more of it is known than is here.
    """
    if variance is None:
        variance = theirs.flatten(0, -2).var(0)
    size = variance.mean().clamp_min(1e-6)
    return _transport(ours, theirs, groups).square().mean() / size


def evenness_loss(ours: Tensor, theirs: Tensor, groups: Tensor, variance: Tensor) -> Tensor:
    """Wasserstein-1 distance of differences within a picture (arXiv 2006.07229, eq. 4, without the square).

    Args:
        ours, theirs: differences between two places, such as two of one group, projected `(B, N, P)`.
        groups: whole numbers `(B, N)` of both, which are compared group by group.
        variance: what is called large, `(P,)` or `(1,)`: of theirs on each direction.

    `sliced_wasserstein` sees which values there are; a shade from one end of a face to the other has the same
    as two flat faces have. Differences tell them apart. Not squared, since those of flat paint are small.
    """
    size = variance.mean().sqrt().clamp_min(1e-3)
    return _transport(ours, theirs, groups).abs().mean() / size


def _transport(ours: Tensor, theirs: Tensor, groups: Tensor | None) -> Tensor:
    """Differences of what ends up in the same place when both sets `(..., N, P)` are sorted along N."""
    if groups is not None:
        # Moved so far apart that sorting keeps the groups together; the difference does not see it.
        span = torch.stack([side.detach().abs().amax() for side in (ours, theirs)]).amax()
        ours, theirs = (side + 2 * span * groups[..., None] for side in (ours, theirs))
    return ours.sort(-2).values - theirs.sort(-2).values


def content_loss(result: Tensor, photo: Tensor, weight: Tensor | None = None) -> Tensor:
    """One minus the cosine between feature maps whose mean over positions was taken off.

    Args:
        result, photo: `(B, C, h, w)` features of the result and of its photo.
        weight: how much each place counts `(B, 1, H, W)`, of any size; None: all alike.

    Without its mean a channel tells *where*, not *how much*: colour and texture may change, the layout may
    not.
    """
    result = result - result.mean((2, 3), keepdim=True)
    photo = photo - photo.mean((2, 3), keepdim=True)
    away = 1 - F.cosine_similarity(result, photo, dim=1)
    if weight is None:
        return away.mean()
    height, width = away.shape[-2:]
    counts = F.adaptive_avg_pool2d(weight, (height, width))[:, 0]
    return ((away * counts).sum((1, 2)) / counts.sum((1, 2)).clamp_min(1e-6)).mean()


def colour_loss(result: Tensor, photo: Tensor, cells: int = 8) -> Tensor:
    """L1 between `(B, 3, H, W)` pictures averaged over `cells` x `cells` squares: hair colour, skin tone.

    So coarse that lines, eyes and shading are free; LSGAN alone pulls all skin to the drawings' average.
    """
    return F.l1_loss(F.adaptive_avg_pool2d(result, cells), F.adaptive_avg_pool2d(photo, cells))


def tone_loss(result: Tensor, source: Tensor, cells: int = 16, weight: Tensor | None = None) -> Tensor:
    """One minus the correlation of coarse lightness: dark hair stays the darker part, in whatever ink.

    Args:
        result, source: `(B, 3, H, W)`.
        cells: squares per side over which lightness (ITU-R BT.601) is averaged.
        weight: how much each place counts `(B, 1, H, W)`, of any size; None: all alike.

    A correlation knows neither brightness nor contrast, which are the style's.
    """
    luma = result.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    counts = result.new_ones(len(result), cells**2)
    if weight is not None:
        counts = F.adaptive_avg_pool2d(weight, cells).flatten(1).clamp_min(1e-6)
    shares = counts / counts.sum(1, keepdim=True)

    def coarse(images: Tensor) -> Tensor:
        lightness = F.adaptive_avg_pool2d((images * luma).sum(1, keepdim=True), cells).flatten(1)
        return (lightness - (lightness * shares).sum(1, keepdim=True)) * (cells**2 * shares).sqrt()

    return (1 - F.cosine_similarity(coarse(result), coarse(source), dim=1, eps=1e-4)).mean()


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, both directions (Rudin et al. 1992, anisotropic)."""
    return images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()

"""Neural style transfer by optimisation: the pixels of each photo are moved until its features fit.

Both methods here were published on VGG, which does not ship; they run on the shipped perceptual net. Its maps
have other scales, so every term is divided by the size of its target and the weights are our own, chosen by
looking at training photos. Adam takes the place of L-BFGS: it treats pixels one by one, so that a picture's
result does not depend on the others in its batch.

The net's first convolution takes every second pixel, and pixels moved freely answer with a checkerboard. So
the picture is shown at its four positions on that grid in turn, and total variation is held down a little, as
is usual for such pictures since arXiv 1603.08155.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from eval.perceptual import PerceptualNet, load_perceptual, style_statistics
from fewshot.evaluation.rivals.rival import Redraw

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel

Maps = list[Tensor]
Loss = Callable[[Maps], Tensor]
"""From the maps of B pictures to B losses."""

CONTENT_LAYER = 2
"""`fire5`: at 1/8 of the resolution, as both papers' content layers are."""
STEPS = 120
RATE = 0.02
"""Adam's step in pixel values of [0, 1]."""
_GATYS_STYLE, _ADAIN_STYLE = 3.0, 3.0
_SMOOTH = 0.5
"""Weight of the total variation."""
_BATCH = 10
_PHASES = ((0, 0), (1, 1), (1, 0), (0, 1))
"""Positions on the grid of the first convolution, px down and across."""


def gatys(drawings: Tensor, base: BaseModel, *, photos: Tensor | None, minutes: float, seed: int) -> Redraw:
    """Gatys et al. (arXiv 1508.06576, eq. 7): Gram matrices of the drawings, maps of the photo.

    The Gram matrices are the mean over all drawings. Deterministic: it starts from the photo.
    """
    net = _features(base)
    targets = [
        torch.stack(grams).mean(0)
        for grams in zip(*(map(_gram, m) for m in _each(net, drawings)), strict=True)
    ]

    def objective(own: Maps) -> Loss:
        def loss(maps: Maps) -> Tensor:
            style = sum(_relative(_gram(m), target) for m, target in zip(maps, targets, strict=True))
            return _relative(maps[CONTENT_LAYER], own[CONTENT_LAYER]) + _GATYS_STYLE * style

        return loss

    return _redraw_by(net, objective)


def adain(drawings: Tensor, base: BaseModel, *, photos: Tensor | None, minutes: float, seed: int) -> Redraw:
    """AdaIN (arXiv 1703.06868, eq. 8 and 11-13) without its decoder.

    The photo's map gets the drawings' channel means and deviations; the picture is moved until it has that
    map and, on every layer, the drawings' means and deviations. The paper trains a decoder on 80,000 photos
    and as many paintings to find such a picture in one pass; a few drawings cannot train one, so each picture
    is searched for, by the loss that the decoder would have learned from. Means and deviations averaged over
    the drawings are the paper's blend of all of them with equal weights (eq. 15).
    """
    net = _features(base)
    every = zip(*(style_statistics(maps) for maps in _each(net, drawings)), strict=True)
    targets = [torch.stack(statistics).mean(0) for statistics in every]

    def objective(own: Maps) -> Loss:
        wanted = _renormalised(own[CONTENT_LAYER], targets[CONTENT_LAYER])

        def loss(maps: Maps) -> Tensor:
            pairs = zip(style_statistics(maps), targets, strict=True)
            style = sum(_relative(statistics, target) for statistics, target in pairs)
            return _relative(maps[CONTENT_LAYER], wanted) + _ADAIN_STYLE * style

        return loss

    return _redraw_by(net, objective)


def _redraw_by(net: PerceptualNet, objective: Callable[[Maps], Loss]) -> Redraw:
    """Photos redrawn by minimising `objective(maps of the photos)`, a batch at a time."""

    def redraw(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        result = np.empty_like(pictures)
        for start in range(0, len(pictures), _BATCH):
            rows = slice(start, start + _BATCH)
            images = _to_unit(torch.from_numpy(np.ascontiguousarray(pictures[rows])), net)
            moved = minimise(images, _in_turn(net, objective, images))
            result[rows] = (moved * 255).round().to(torch.uint8).cpu().numpy()
        return result

    return redraw


def _in_turn(
    net: PerceptualNet, objective: Callable[[Maps], Loss], images: Tensor
) -> Callable[[Tensor, int], Tensor]:
    """The loss of a step: at the step's position on the grid, against the photos' maps at the same one."""
    with torch.no_grad():
        losses = [objective(net(_moved(images, phase))) for phase in _PHASES]

    def loss(x: Tensor, step: int) -> Tensor:
        at = step % len(_PHASES)
        rough = sum(x.diff(dim=side).abs().mean((1, 2, 3)) for side in (-1, -2))
        return losses[at](net(_moved(x, _PHASES[at]))) + _SMOOTH * rough

    return loss


def _moved(images: Tensor, phase: tuple[int, int]) -> Tensor:
    """Pictures with one more row and column, in front or behind; all phases have one size."""
    down, across = phase
    return F.pad(images, (across, 1 - across, down, 1 - down), mode="replicate")


def minimise(images: Tensor, loss: Callable[[Tensor, int], Tensor], steps: int = STEPS) -> Tensor:
    """Move pictures `(B, 3, S, S)` in [0, 1] down `loss`; they stay in [0, 1].

    `loss` takes pictures and the number of the step and gives `(B,)`.

    The rate falls to zero, so that the last steps settle.
    """
    x = images.clone().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss(x, step).sum().backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            x.clamp_(0, 1)
    return x.detach()


def _features(base: BaseModel) -> PerceptualNet:
    device = next(base.netG_A.parameters()).device
    return load_perceptual().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _to_unit(pixels: Tensor, net: PerceptualNet) -> Tensor:
    return (pixels.to(net.mean.device).float() / 255).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _each(net: PerceptualNet, drawings: Tensor) -> list[Maps]:
    """Maps of every drawing, each as a batch of one."""
    return [net(_to_unit(drawing[None], net)) for drawing in drawings]


def _gram(maps: Tensor) -> Tensor:
    """Products of channels, averaged over positions: `(B, C, H, W)` to `(B, C, C)`."""
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def _renormalised(maps: Tensor, statistics: Tensor) -> Tensor:
    """AdaIN (eq. 8): maps `(B, C, H, W)` with the means and deviations of `statistics`, `(1, 2C)`."""
    own = style_statistics([maps])[0][:, :, None, None].chunk(2, 1)
    mean, deviation = statistics[:, :, None, None].chunk(2, 1)
    return (maps - own[0]) / own[1] * deviation + mean


def _relative(found: Tensor, wanted: Tensor) -> Tensor:
    """Squared distance to `wanted` relative to its squared size: `(B,)`."""
    return (found - wanted).square().flatten(1).sum(1) / wanted.square().flatten(1).sum(1)

"""Results in the colours of the drawing that they are compared with, part by part.

Sets of patches (`drawing_features`) may agree although a dark smudge lies beside the hair, a glow in the
ground or a tint on the skin: a few values among many, near others. Each has a nearest colour in the drawing's
part, and is as far from it wherever it lies.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eval.face_parsing import PARTS

COLOURS = 64
"""Colours of each part that pixels may have, in a step."""
FLAT_PARTS = ("ground", "hair")
"""Parts that are paint alone: what lies on an edge there is not of their colour. To others belong lines."""
_FLAT = 0.05
"""Root mean square difference of the pixels of a patch from their mean, at most, where paint is flat. In hair
that is hatched it is 0.08 to 0.11, in shaded hair 0.03 to 0.1, in flat hair below 0.02."""
_ENOUGH = 8
"""Flat patches of a part: with fewer it is not painted flat."""
_SOFT = 1e-4
"""Square of the distance from which on the pull is the same, as in the Charbonnier penalty."""


def palettes(patches: Tensor) -> Tensor:
    """The colours of each part.

    Args:
        patches: of drawings `(B, P, K, N, 3)`: K of N pixels each for each of the P parts.

    Returns:
        `(B, P, K, 3)`: the middle of each patch; of `FLAT_PARTS` that are painted flat the means of flat
        patches, over and over.
    """
    colours, means = patches[:, :, :, patches.shape[3] // 2].clone(), patches.mean(3)
    rough, order = (patches - means[:, :, :, None]).square().mean((3, 4)).sqrt().sort(2)
    count = (rough < _FLAT).sum(2, keepdim=True)
    again = torch.arange(order.shape[2], device=order.device) % count.clamp_min(1)
    flat = means.gather(2, order.gather(2, again)[..., None].expand(-1, -1, -1, 3))
    for part in (PARTS.index(name) for name in FLAT_PARTS):
        painted = count[:, part, :, None] >= _ENOUGH
        colours[:, part] = torch.where(painted, flat[:, part], colours[:, part])
    return colours


def flat_colours_loss(pixels: Tensor, groups: Tensor, colours: Tensor) -> Tensor:
    """Mean distance from the nearest colour of the same part.

    A nearest-neighbour loss as of Li and Wand (arXiv 1601.04589, eq. 2), of single colours: one-sided, so
    that which colours are used, and how often, is left to the other losses.

    Args:
        pixels: of results `(B, N, 3)` in [-1, 1].
        groups: number of the part of each `(B, N)`.
        colours: of the drawings' parts `(B, P, K, 3)`, as of `palettes`.
    """
    with torch.no_grad():
        allowed = colours.gather(1, groups[:, :, None, None].expand(-1, -1, *colours.shape[2:]))
        nearest = (pixels[:, :, None] - allowed).square().sum(3).argmin(2)
        nearest = allowed.gather(2, nearest[:, :, None, None].expand(-1, -1, 1, 3))[:, :, 0]
    return ((pixels - nearest).square().sum(2) + _SOFT).sqrt().mean()

"""Results in the colours of the drawing that they are compared with, part by part.

Sets of patches (`drawing_features`) may agree although a dark smudge lies beside the hair, a glow in the
ground or a tint on the skin: a few values among many, near others. Each has a nearest colour in the drawing's
part, and is as far from it wherever it lies.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eval.face_parsing import PARTS

FLAT_PARTS = ("ground", "hair")
"""Parts that are paint alone: what lies on an edge there is not of their colour."""
INKED_PARTS = ("skin",)
"""Parts to which lines belong as much as paint. Of eyes and mouths there is too little in a sample."""
_LEAST = 8
"""Patches of a part: of fewer no colour is known to be its paint."""
_SOFT = 1e-4
"""Square of the distance from which on the pull is the same, as in the Charbonnier penalty."""


def flat_colours_loss(ours: Tensor, theirs: Tensor, groups: Tensor) -> Tensor:
    """Mean distance from the nearest colour of the same part, over all pixels of all parts.

    A nearest-neighbour loss as of Li and Wand (arXiv 1601.04589, eq. 2), of single colours: one-sided, so
    that which colours are used, and how often, is left to the other losses.

    Args:
        ours, theirs: patches of results and of drawings `(B, N, P, 3)`, of P pixels each, in [-1, 1].
        groups: number of the part `(B, N)` of both.

    Returns:
        a scalar, in units of colour; what is of other parts counts nothing.
    """
    pixels, paint = (side[:, :, side.shape[2] // 2] for side in (ours, theirs))
    flat = theirs.mean(2)
    rough = (theirs - flat[:, :, None]).square().mean((2, 3))
    far = pixels.new_zeros(())
    for picture in range(len(pixels)):
        for name in (*FLAT_PARTS, *INKED_PARTS):
            here = groups[picture] == PARTS.index(name)
            if int(here.sum()) < _LEAST:
                continue
            palette = paint[picture, here]
            if name in FLAT_PARTS:
                # The flatter half, where a patch is of one colour.
                palette = flat[picture, here][rough[picture, here] <= rough[picture, here].median()]
            far = far + _distances(pixels[picture, here], palette).sum()
    return far / pixels[..., 0].numel()


def _distances(pixels: Tensor, palette: Tensor) -> Tensor:
    """Of each pixel `(N, 3)` to the nearest colour `(M, 3)`."""
    with torch.no_grad():
        nearest = palette[torch.cdist(pixels, palette).argmin(-1)]
    return ((pixels - nearest).square().sum(-1) + _SOFT).sqrt()

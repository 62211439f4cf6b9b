"""Pixel patches and features at random positions of pictures, which the style losses compare as sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from eval.face_parsing import PARTS
from fewshot.data.draws import Rng, randint

PATCH = 5
"""Side of the pixel patches that are compared beside the features, px: a line and both its edges."""


class Sampled(NamedTuple):
    """Values at random positions of a batch of pictures, on one layer."""

    rows: Tensor
    """`(B, count, C)`."""
    parts: Tensor | None
    """Number of the part of the face that each lies in `(B, count)`, or -1, on the CPU."""


def sample_rows(
    images: Tensor,
    maps: list[Tensor],
    count: int,
    rng: Rng,
    parts: Tensor | None = None,
) -> list[Sampled]:
    """Pixel patches and features at random positions of each picture.

    Args:
        images: `(B, 3, S, S)`.
        maps: `(B, C, h, w)` each.
        count: positions on each layer of each picture.
        rng: chooses the positions.
        parts: probabilities of parts `(B, P, h, w)` of the pictures, and perhaps of none behind them.

    Returns:
        Rows `(B, count, PATCH**2 * 3)`, then `(B, count, C)` per map, float32.
    """
    batch, _, height, width = images.shape
    tops, lefts = (randint(rng, side - PATCH + 1, batch, count, 1, 1) for side in (height, width))
    along, which = torch.arange(PATCH), torch.arange(batch)[:, None, None, None]
    places = [index.to(images.device) for index in (which, tops + along[:, None], lefts + along)]
    patches = images[places[0], :, places[1], places[2]].flatten(2).float()
    centres = (tops + PATCH // 2) * width + lefts + PATCH // 2
    sampled = [Sampled(patches, _part_at(parts, (height, width), centres.view(batch, count)))]
    for each in maps:
        flat = each.permute(0, 2, 3, 1).flatten(1, 2)
        chosen = randint(rng, flat.shape[1], batch, count)
        rows = flat[which[..., 0].to(flat.device).view(batch, 1), chosen.to(flat.device)].float()
        sampled.append(Sampled(rows, _part_at(parts, each.shape[-2:], chosen)))
    return sampled


def _part_at(parts: Tensor | None, grid: Sequence[int], chosen: Tensor) -> Tensor | None:
    """Most probable part at places `(B, count)` of a flattened grid, or -1 for none, on the CPU."""
    if parts is None:
        return None
    fitted = F.interpolate(parts, (int(grid[0]), int(grid[1])), mode="bilinear").argmax(1)
    fitted = torch.where(fitted < len(PARTS), fitted, -1)
    return fitted.flatten(1).cpu().gather(1, chosen)

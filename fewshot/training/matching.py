"""Which drawing a photo's result is compared with: the one whose pseudo-photo is most like the photo."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from eval.colour_edge import rgb_to_lab
from fewshot.training.sources import Sources

_CELLS = 4
"""Squares along a side whose mean colours are compared: hair, skin, shoulders, ground."""


def targets_of(sources: Sources) -> Tensor:
    """The drawing of each source photo: a pseudo-photo's own, and for the others see `match_drawings`."""
    own = torch.arange(sources.made)
    return torch.cat([own, match_drawings(sources.photos[sources.made :], sources.pairs)])


def match_drawings(photos: Tensor, pairs: Tensor) -> Tensor:
    """A drawing for each photo, such that photos are near to the drawings' pseudo-photos in colour.

    No drawing is used more often than its share, rounded up (an optimal transport plan, found by the
    Hungarian method): chosen freely, a few that suit everybody would stand for all, and the artist's rarer
    colours would never be learned. Photos are compared as they are and mirrored.

    Args:
        photos: uint8 `(M, 3, S, S)`.
        pairs: uint8 `(N, 3, S, S)`, a pseudo-photo of each drawing.

    Returns:
        Indices of drawings, int64 `(M,)`.
    """
    ours, theirs = _colours(photos), _colours(pairs).flatten(1)
    cost = torch.minimum(
        torch.cdist(ours.flatten(1), theirs), torch.cdist(ours.flip(-1).flatten(1), theirs)
    ).square()
    places = -(-len(photos) // len(pairs))
    _, chosen = linear_sum_assignment(np.repeat(cost.numpy(), places, axis=1))
    return torch.from_numpy(chosen // places)


def _colours(pictures: Tensor) -> Tensor:
    """CIELAB of coarse cells, `(N, 3, _CELLS, _CELLS)`."""
    return rgb_to_lab(F.adaptive_avg_pool2d(pictures.float() / 255, _CELLS))

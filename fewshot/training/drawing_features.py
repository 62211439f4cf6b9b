"""What the style losses know of the training drawings: computed once, before the first step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from base_models.losses import outlier_loss, sliced_wasserstein, style_loss
from eval.perceptual import style_statistics

Features = Callable[[Tensor], list[Tensor]]
"""RGB `(B, 3, H, W)` in [0, 1] to maps."""

PATCH = 5
"""Side of the pixel patches that are compared beside the features, px: a line and both its edges."""
ROWS = 512
"""Positions of each result that are compared on each layer."""
DIRECTIONS = 32
"""Random directions of each step."""
_STORED = 1024
"""Positions of each drawing that are kept for each layer."""
_BATCH = 16
_LEAST_SPREAD = 0.1
"""Of a layer's root mean square: a few drawings agree by chance, and one drawing has no spread at all."""


class DrawingFeatures:
    """Statistics and samples of the drawings' features.

    Args:
        drawings: float `(N, 3, S, S)` in [-1, 1] on the device that the losses will be on.
        features: the frozen network.
        generator: CPU generator that chooses the positions.
        rows: whether samples are wanted (`lambda_swd`), which takes memory.
    """

    def __init__(self, drawings: Tensor, features: Features, generator: torch.Generator, rows: bool) -> None:
        statistics, sampled = [], []
        with torch.no_grad():
            for part in drawings.split(_BATCH):
                maps = features((part + 1) / 2)
                statistics.append(style_statistics(maps))
                if rows:
                    sampled.append([r.half() for r in sample_rows(part, maps, _STORED, generator)])
        per_drawing = [torch.cat(layer) for layer in zip(*statistics, strict=True)]
        self.statistics = [layer.mean(0) for layer in per_drawing]
        self.spreads = [_spread(layer) for layer in per_drawing]
        self.rows = [torch.cat(layer) for layer in zip(*sampled, strict=True)]

    def style_loss(self, maps: list[Tensor]) -> Tensor:
        """`base_models.losses.style_loss` of the results' maps."""
        return style_loss(style_statistics(maps), self.statistics)

    def outlier_loss(self, maps: list[Tensor]) -> Tensor:
        """`base_models.losses.outlier_loss` of the results' maps."""
        return outlier_loss(style_statistics(maps), self.statistics, self.spreads)

    def swd(
        self, results: Tensor, maps: list[Tensor], generator: torch.Generator, targets: Tensor | None = None
    ) -> Tensor:
        """`base_models.losses.sliced_wasserstein` of pixel patches, and the mean of that of the maps.

        Features alone let a pale skin pass for a brown one where the contours agree, so pixels count as much
        as all maps together.

        Args:
            results: float `(B, 3, S, S)` in [-1, 1].
            maps: their features.
            generator: CPU generator that chooses positions and directions.
            targets: index of a drawing `(B,)` that each result is compared with; all at once with all
                drawings when None.
        """
        terms = []
        for ours, stored in zip(sample_rows(results, maps, ROWS, generator), self.rows, strict=True):
            if targets is None:
                ours, theirs = ours.flatten(0, 1), _some(stored.flatten(0, 1), len(results) * ROWS, generator)
            else:
                places = torch.randint(0, stored.shape[1], (ROWS,), generator=generator)
                theirs = stored[targets.to(stored.device)][:, places.to(stored.device)].float()
            directions = F.normalize(torch.randn(ours.shape[-1], DIRECTIONS, generator=generator), dim=0)
            terms.append(sliced_wasserstein(ours, theirs, directions.to(ours.device)))
        return terms[0] + torch.stack(terms[1:]).mean()


def _some(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    chosen = torch.randint(0, len(rows), (count,), generator=generator)
    return rows[chosen.to(rows.device)].float()


def _spread(statistics: Tensor) -> Tensor:
    """Standard deviation over drawings `(N, 2C)` to `(2C,)`, at least a share of the layer's size."""
    size = statistics.mean(0).square().mean().sqrt()
    spread = statistics.std(0, correction=0)
    return (spread.square() + (_LEAST_SPREAD * size).square()).sqrt()


def sample_rows(images: Tensor, maps: list[Tensor], count: int, generator: torch.Generator) -> list[Tensor]:
    """Pixel patches and features at random positions of each picture.

    Args:
        images: `(B, 3, S, S)`.
        maps: `(B, C, h, w)` each.
        count: positions on each layer of each picture.
        generator: CPU generator.

    Returns:
        `(B, count, PATCH**2 * 3)` and one `(B, count, C)` per map, float32.
    """
    batch, _, height, width = images.shape
    tops, lefts = (
        torch.randint(0, side - PATCH + 1, (batch, count, 1, 1), generator=generator)
        for side in (height, width)
    )
    along, which = torch.arange(PATCH), torch.arange(batch)[:, None, None, None]
    places = [index.to(images.device) for index in (which, tops + along[:, None], lefts + along)]
    patches = images[places[0], :, places[1], places[2]]
    return [patches.flatten(2).float(), *(_at_random(m, count, generator) for m in maps)]


def _at_random(maps: Tensor, count: int, generator: torch.Generator) -> Tensor:
    flat = maps.permute(0, 2, 3, 1).flatten(1, 2)
    chosen = torch.randint(0, flat.shape[1], (len(flat), count), generator=generator).to(flat.device)
    return flat[torch.arange(len(flat), device=flat.device)[:, None], chosen].float()

"""What the style encoder is taught: SqueezeNet's deeper maps and their statistics."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from eval.perceptual import style_statistics
from fewshot.training.distill import Scales, Teacher, measure_scales, normalise

_STATISTICS = 0.3
"""Weight of channel means and deviations beside the maps themselves, as in `distill`."""


class StyleTeacher:
    """SqueezeNet's fire3, fire5 and fire7 at unit variance per channel; `calibrate` before use.

    Args:
        weights: SqueezeNet 1.0 in torchvision's layout.
    """

    def __init__(self, weights: Path) -> None:
        self.net = Teacher(weights)
        self.scales: Scales | None = None

    @torch.no_grad()
    def calibrate(self, batches: list[Tensor]) -> None:
        """Measure the channels' scales on batches of RGB `(B, 3, H, W)` in [0, 1]."""
        self.scales = measure_scales(self.net, batches)

    def loss(self, maps: list[Tensor], images: Tensor) -> Tensor:
        """How far maps are from the teacher's of these pictures: squared error of positions and statistics.

        Args:
            maps: as `StyleEncoder.maps`; the stem's is left alone. The teacher's are brought to their grids.
            images: RGB `(B, 3, H, W)` in [0, 1].
        """
        assert self.scales is not None, "calibrate first"
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            theirs = normalise(self.net(images), self.scales.channels)
        loss = torch.zeros(())
        for ours, wanted, variance in zip(maps[1:], theirs[1:], self.scales.statistics[1:], strict=True):
            wanted = F.interpolate(wanted, ours.shape[2:], mode="bilinear", align_corners=False)
            (found,), (meant,) = style_statistics([ours.float()]), style_statistics([wanted])
            moments = ((found - meant).square().mean(0) / variance).mean()
            loss = loss + F.mse_loss(ours.float(), wanted) + _STATISTICS * moments
        return loss

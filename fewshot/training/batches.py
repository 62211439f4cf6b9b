"""The pictures of one step of base training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fewshot.data.augment import jitter, random_crop_flip, to_float
from fewshot.data.hardships import spoil, tilt
from fewshot.data.loader import Domain
from fewshot.training.pretrain_config import PretrainConfig


@dataclass(frozen=True)
class Batch:
    """Unpaired pictures of one step, float `(B, 3, S, S)` in [-1, 1]."""

    real_A: Tensor
    """Photos."""
    real_B: Tensor
    """Drawings."""
    seen_A: Tensor | None = None
    """The same photos as netG_A is shown them, spoiled by light and worse; None: as they are."""

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that is there, by name."""
        return {name: tensor for name, tensor in vars(self).items() if tensor is not None}


def draw_batches(
    photos: Domain,
    drawings: Domain,
    size: int,
    config: PretrainConfig,
    generator: torch.Generator,
    device: torch.device,
    steps: int = 1,
) -> list[Batch]:
    """Random windows of `size` px, mirrored and tilted; the photos also as the generator is to see them.

    Args:
        steps: number of batches, drawn and changed all at once: a GPU waits for launches, not for pixels.
    """

    def windows(domain: Domain) -> Tensor:
        pixels = random_crop_flip(domain.draw(steps * config.batch, generator), size, generator).to(device)
        return tilt(to_float(pixels), config.tilt, generator)

    real_A = windows(photos)
    seen_A = spoil(jitter(real_A, config.jitter, generator), config.hard, generator)
    sides = (_parts(images, config.batch) for images in (real_A, windows(drawings), seen_A))
    return [Batch(*parts) for parts in zip(*sides, strict=True)]


def _parts(images: Tensor, count: int) -> list[Tensor]:
    return [part.contiguous(memory_format=torch.channels_last) for part in images.split(count)]

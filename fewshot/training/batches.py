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


def draw_batch(
    photos: Domain,
    drawings: Domain,
    size: int,
    config: PretrainConfig,
    generator: torch.Generator,
    device: torch.device,
) -> Batch:
    """Random windows of `size` px, mirrored and tilted; the photos also as the generator is to see them."""

    def windows(domain: Domain) -> Tensor:
        pixels = random_crop_flip(domain.draw(config.batch, generator), size, generator).to(device)
        return _channels_last(tilt(to_float(pixels), config.tilt, generator))

    real_A = windows(photos)
    seen_A = spoil(jitter(real_A, config.jitter, generator), config.hard, generator)
    return Batch(real_A, windows(drawings), _channels_last(seen_A))


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)

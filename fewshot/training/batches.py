"""The pictures of one step of base training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fewshot.data.augment import jitter, random_crop_flip, to_float
from fewshot.data.draws import Draws
from fewshot.data.hardships import spoil, tilt
from fewshot.data.loader import Domain
from fewshot.training.pretrain_config import PretrainConfig

Tensors = dict[str, Tensor]
_MOST_STEPS = 32
_MOST_PIXELS = 2**25
"""What one draw of pictures may take, per side: 400 MB as float32."""


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
    def tensors(self) -> Tensors:
        """All that is there, by name."""
        return {name: tensor for name, tensor in vars(self).items() if tensor is not None}

    def part(self, piece: slice) -> Tensors:
        """Some of the pictures, by name."""
        return {name: tensor[piece] for name, tensor in self.tensors.items()}


def draw_batches(
    photos: Domain,
    drawings: Domain,
    size: int,
    config: PretrainConfig,
    draws: Draws,
    device: torch.device,
    steps: int = 1,
) -> list[Batch]:
    """Random windows of `size` px, mirrored and tilted; the photos also as the generator is to see them.

    Args:
        draws: random numbers for this process's places of one step.
        steps: number of batches, drawn and changed all at once: a GPU waits for launches, not for pixels.
    """
    count = len(draws)
    places = [step * draws.total + draws.places for step in range(steps)]
    draws = Draws(draws.shared, steps * draws.total, torch.cat(places))

    def windows(domain: Domain) -> Tensor:
        pixels = random_crop_flip(domain.draw(draws), size, draws).to(device)
        return tilt(to_float(pixels), config.tilt, draws)

    real_A = windows(photos)
    seen_A = spoil(jitter(real_A, config.jitter, draws), config.hard, draws)
    sides = (_parts(images, count) for images in (real_A, windows(drawings), seen_A))
    return [Batch(*parts) for parts in zip(*sides, strict=True)]


def steps_at_once(batch: int, size: int, device: torch.device) -> int:
    """Steps between two looks at losses and clock: on a GPU each look waits until all queued work is done."""
    if device.type == "cpu":
        return 1
    return max(1, min(_MOST_STEPS, _MOST_PIXELS // (batch * size**2)))


def _parts(images: Tensor, count: int) -> list[Tensor]:
    return [part.contiguous(memory_format=torch.channels_last) for part in images.split(count)]

"""What makes real photos hard, for training: tilt and distance on both sides, bad light and worse.

The photo that the generator is shown may be spoiled; the one it has to find again is the clean one. So the
generator learns to see through bad light instead of hiding it in the drawing, where it would come out as
stray patches of colour.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.data.augment import turned, uniform
from fewshot.data.draws import Rng, alike, rand

ROLL = 0.26
"""Largest tilt, radians (15 degrees)."""
ZOOM = 0.25
"""Largest change of scale, either way."""
SHIFT = 0.12
"""Largest shift, as a fraction of half the side."""

_SHRUNK_ALIKE = 8
"""Pictures that are shrunk together; many steps' pictures may be drawn at once."""


def tilt(images: Tensor, chance: float, rng: Rng) -> Tensor:
    """Roll, zoom and shift some of the pictures; borders are mirrored.

    Args:
        images: float `(B, 3, S, S)`.
        chance: fraction of the pictures that are changed.
    """
    count = len(images)
    chosen = rand(rng, count) < chance
    # Drawn for all of them, so that one picture's fate does not change the others'.
    roll = (rand(rng, count) * 2 - 1) * ROLL
    zoom = 1 + (rand(rng, count) * 2 - 1) * ZOOM
    room = (rand(rng, count, 2) * 2 - 1) * SHIFT
    if not chosen.any():
        return images
    tilted = turned(images[chosen.to(images.device)], zoom[chosen], roll[chosen], room[chosen])
    images = images.clone()
    images[chosen.to(images.device)] = tilted
    return images


def spoil(images: Tensor, chance: float, rng: Rng) -> Tensor:
    """Each of `HARDSHIPS` for `chance` of the photos, one after the other.

    Args:
        images: `(B, 3, S, S)` in [-1, 1].

    Returns:
        The same shape and range.
    """
    for hardship in HARDSHIPS:
        chosen = (rand(rng, len(images), 1, 1, 1) < chance).to(images.device)
        images = torch.where(chosen, hardship(images, rng).clamp(-1, 1), images)
    return images


def _side_light(images: Tensor, rng: Rng) -> Tensor:
    """Light falls off along a random direction, down to a fifth, as exposure: on values in [0, 1]."""
    angle = uniform(len(images), 0, 6.2832, images, rng)
    strength = uniform(len(images), 0.3, 0.8, images, rng)
    side = torch.linspace(-1, 1, images.shape[-1], device=images.device)
    ramp = angle.cos() * side.view(1, 1, 1, -1) + angle.sin() * side.view(1, 1, -1, 1)
    light = 1 - strength * torch.sigmoid(4 * ramp)
    return (images + 1) * light - 1


def _exposure(images: Tensor, rng: Rng) -> Tensor:
    """Gamma between 0.6 (bright) and 2 (back light): the face goes dark."""
    power = 2 ** uniform(len(images), -0.7, 1.0, images, rng)
    return 2 * ((images.clamp(-1, 1) + 1) / 2).pow(power) - 1


def _cast(images: Tensor, rng: Rng) -> Tensor:
    """Coloured light: each channel times 0.6 to 1.1."""
    return (images + 1) * uniform(len(images), 0.6, 1.1, images, rng, channels=3) - 1


def _grey(images: Tensor, rng: Rng) -> Tensor:
    """Most of the colour gone: Rec. 601 luma."""
    weights = images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    keep = uniform(len(images), 0, 0.3, images, rng)
    grey = (images * weights).sum(1, keepdim=True)
    return grey + keep * (images - grey)


def _low_resolution(images: Tensor, rng: Rng) -> Tensor:
    """Shrunk to 0.3 to 0.6 of the side and enlarged again: small faces and blur."""
    runs = alike(rng, len(images), _SHRUNK_ALIKE)
    return torch.cat([_shrunk(images[run], number * 0.3 + 0.3) for run, number in runs])


def _shrunk(images: Tensor, factor: float) -> Tensor:
    side = max(4, round(images.shape[-1] * factor))
    small = F.interpolate(images, (side, side), mode="area")
    return F.interpolate(small, images.shape[-2:], mode="bilinear")


def _occlude(images: Tensor, rng: Rng) -> Tensor:
    """A tilted soft-edged ellipse of one colour: a hand, a mask, a phone before the lower face or a side."""
    count, side = len(images), torch.linspace(-1, 1, images.shape[-1], device=images.device)
    x = side.view(1, 1, 1, -1) - uniform(count, -0.7, 0.7, images, rng)
    y = side.view(1, 1, -1, 1) - uniform(count, 0.0, 0.9, images, rng)
    angle = uniform(count, 0, 3.1416, images, rng)
    along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    long = uniform(count, 0.25, 0.5, images, rng)
    short = uniform(count, 0.12, 0.3, images, rng)
    mask = torch.sigmoid(12 * (1 - (along / long).square() - (across / short).square()))
    colour = uniform(count, -1, 1, images, rng, channels=3)
    return images + mask * (colour - images)


Hardship = Callable[[Tensor, Rng], Tensor]

HARDSHIPS: tuple[Hardship, ...] = (_side_light, _exposure, _cast, _grey, _low_resolution, _occlude)
"""All that `spoil` does, in its order."""

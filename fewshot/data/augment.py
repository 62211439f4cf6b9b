"""Augmentation on the device, from uint8 batches to what networks see.

Every function takes a `torch.Generator`, or `Draws` where a batch is shared by several processes; one made
from (seed, step) gives the same pictures after a resume without any saved random state.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.data.draws import Rng, rand, randint


def to_float(pixels: Tensor) -> Tensor:
    """uint8 `(B, 3, H, W)` to float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Float in [-1, 1] to uint8, rounded and clamped."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def uniform(
    count: int,
    low: float,
    high: float,
    images: Tensor,
    rng: Rng | None,
    channels: int = 1,
) -> Tensor:
    """`(count, channels, 1, 1)` uniform numbers on the images' device.

    With a generator they are drawn on the CPU, so that every device sees the same; without one they come from
    the device's own, which a CUDA graph can hold.
    """
    if rng is None:
        drawn = torch.rand(count, channels, 1, 1, device=images.device)
    else:
        drawn = rand(rng, count, channels, 1, 1)
    return (drawn * (high - low) + low).to(images.device)


def random_crop_flip(pixels: Tensor, size: int, rng: Rng, *, flip: bool = True) -> Tensor:
    """One random window of `size` for each picture and a mirror image for half of them.

    Args:
        pixels: uint8 or float `(B, C, S, S)` with S >= size.
    """
    room = pixels.shape[-1] - size
    offsets = randint(rng, room + 1, len(pixels), 2)
    mirrored = rand(rng, len(pixels)) < 0.5
    along = torch.arange(size)
    rows = offsets[:, :1] + along
    columns = offsets[:, 1:] + torch.where((mirrored & flip)[:, None], along.flip(0), along)
    return _windows(pixels, rows.to(pixels.device), columns.to(pixels.device)).contiguous()


def _windows(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Rows `(B, H)` and columns `(B, W)` of each picture `(B, C, S, S)`: one gather for the whole batch."""
    pictures = torch.arange(len(images), device=images.device)[:, None, None]
    # Indexing around the channels puts them last.
    return images[pictures, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def jitter(images: Tensor, strength: float, rng: Rng) -> Tensor:
    """Contrast, brightness and colour cast, uniform up to `strength` (0.1 is mild), clamped to [-1, 1]."""
    contrast = uniform(len(images), 1 - strength, 1 + strength, images, rng)
    cast = uniform(len(images), -strength, strength, images, rng, channels=3)
    brightness = uniform(len(images), -strength, strength, images, rng)
    return (images * contrast + brightness + 0.5 * cast).clamp(-1, 1)


def photographic(images: Tensor, rng: Rng) -> Tensor:
    """Give pseudo-photos what real photos have: close and tilted framing, uneven light, hard contrast, casts.

    Args:
        images: `(B, 3, S, S)` in [-1, 1].

    Returns:
        The same shape and range. Zoom 1 to 1.7, roll up to 15 degrees, borders mirrored.
    """
    count = len(images)
    zoom = uniform(count, 0.6, 1.0, images, rng).flatten()
    angle = uniform(count, -0.26, 0.26, images, rng).flatten()
    room = (1 - zoom)[:, None] * uniform(count, -1, 1, images, rng, channels=2).flatten(1)
    return relit(turned(images, zoom, angle, room), rng)


def turned(
    images: Tensor,
    zoom: Tensor,
    angle: Tensor,
    shift: Tensor,
    *,
    mirror: Tensor | float = 1.0,
    size: int | None = None,
    padding: str = "reflection",
) -> Tensor:
    """Pictures `(B, C, H, W)` seen through a window that is turned and moved.

    Args:
        images: any range.
        zoom: side of the window `(B,)`, 1 as large as the picture.
        angle: radians `(B,)`.
        shift: of the window's middle `(B, 2)`, right and down, 1 half a side.
        mirror: -1 for a mirror image, else 1, `(B,)` or one for all.
        size: side of what is returned, px; default: that of the pictures.
        padding: of `torch.nn.functional.grid_sample`, what lies beyond the border.
    """
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rows = [
        torch.stack([mirror * cos, -sin, shift[:, 0]], 1),
        torch.stack([mirror * sin, cos, shift[:, 1]], 1),
    ]
    height, width = (size, size) if size else images.shape[-2:]
    where = torch.stack(rows, 1).to(images.device)
    grid = F.affine_grid(where, [len(images), 3, height, width], align_corners=False).to(images.dtype)
    return F.grid_sample(images, grid, padding_mode=padding, align_corners=False)


def relit(images: Tensor, rng: Rng) -> Tensor:
    """Uneven light, hard contrast and casts on pictures `(B, 3, H, W)` in [-1, 1]."""
    count = len(images)
    light = rand(rng, count, 1, 3, 3).to(images.device) - 0.5
    light = F.interpolate(light, images.shape[-2:], mode="bicubic")
    images = images + uniform(count, 0, 1.2, images, rng) * light
    return jitter(images.clamp(-1, 1), 0.35, rng)


def differentiable(images: Tensor, policy: tuple[str, ...], rng: Rng | None) -> Tensor:
    """DiffAugment (arXiv 2006.10738): the discriminator sees only augmented pictures, gradients flow through.

    Args:
        images: `(B, 3, H, W)` in [-1, 1]; further channels move with the picture and keep their values.
        policy: names out of `POLICIES`.
        rng: CPU generator; None takes the device's own.
    """
    for name in policy:
        images = _POLICIES[name](images, rng)
    return images


def _brightness(images: Tensor, rng: Rng | None) -> Tensor:
    lit = images[:, :3] + uniform(len(images), -0.25, 0.25, images, rng)
    return torch.cat([lit, images[:, 3:]], 1)


def _flip(images: Tensor, rng: Rng | None) -> Tensor:
    return torch.where(uniform(len(images), 0, 1, images, rng) < 0.5, images.flip(-1), images)


def _shift(images: Tensor, rng: Rng | None) -> Tensor:
    """Shift by up to an eighth of the side, zero-padded: one integer shift for each picture."""
    count, side = len(images), images.shape[-1]
    reach = max(1, side // 8)
    padded = F.pad(images, (reach,) * 4)
    offsets = uniform(count, 0, 2 * reach + 1, images, rng, channels=2).flatten(1).long()
    along = torch.arange(side, device=images.device)
    return _windows(padded, offsets[:, :1] + along, offsets[:, 1:] + along)


def _cutout(images: Tensor, rng: Rng | None) -> Tensor:
    """Blank a square of half the side."""
    count, side = len(images), images.shape[-1]
    corners = uniform(count, -side // 4, 3 * side // 4, images, rng, channels=2)[..., 0].floor()
    along = torch.arange(side, device=images.device).view(1, 1, -1) - corners
    inside = (along >= 0) & (along < side // 2)
    return images * ~(inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]


_POLICIES = {"brightness": _brightness, "flip": _flip, "shift": _shift, "cutout": _cutout}
POLICIES = tuple(_POLICIES)

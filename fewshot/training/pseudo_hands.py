"""Hands made of filters: one random recipe of tone, smoothing, lines and texture for pictures of any content.

A few artists teach an encoder those few artists. A recipe drawn from a seed and applied to unrelated pictures
gives as many further hands as are wanted, of which is known that only the manner is shared. Everything works
on a few float pictures `(K, 3, H, W)` in [0, 1] at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Filter = Callable[[Tensor], Tensor]
_GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class PseudoHand:
    """A recipe; the same one gives every picture the same manner."""

    steps: tuple[Filter, ...]
    """Applied in turn."""

    def __call__(self, images: Tensor) -> Tensor:
        for step in self.steps:
            images = step(images)
        return images.clamp(0, 1)


def draw_hand(generator: torch.Generator) -> PseudoHand:
    """A random hand: smoothing, tone, lines and texture, each with its own chance to be left out."""
    steps: list[Filter] = []
    for chance, makers in (
        (0.6, (_kuwahara, _blur, _sharpen)),
        (0.85, (_grey, _gradient, _matrix, _posterise, _curve)),
        (0.5, (_outline, _sketch)),
        (0.5, (_grain, _hatch, _dots, _paper)),
    ):
        if _number(generator) < chance:
            maker = makers[int(_number(generator) * len(makers))]
            steps.append(maker(generator))
    return PseudoHand(tuple(steps))


def _number(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _colour(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    return (low + (high - low) * torch.rand(3, generator=generator)).view(1, 3, 1, 1)


def luminance(images: Tensor) -> Tensor:
    """`(K, 1, H, W)` of `(K, 3, H, W)`, Rec. 601."""
    return (images * images.new_tensor(_GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _box(images: Tensor, radius: int) -> Tensor:
    padded = F.pad(images, (radius,) * 4, mode="reflect")
    return F.avg_pool2d(padded, 2 * radius + 1, 1)


def _blur(generator: torch.Generator) -> Filter:
    radius = 1 + int(_number(generator, 0, 2))
    return lambda x: _box(x, radius)


def _sharpen(generator: torch.Generator) -> Filter:
    radius, amount = 1 + int(_number(generator, 0, 3)), _number(generator, 0.5, 2.5)
    return lambda x: (x + amount * (x - _box(x, radius))).clamp(0, 1)


def _kuwahara(generator: torch.Generator) -> Filter:
    """The calmest of four neighbouring windows, which paints flat dabs with firm edges (Kuwahara 1976)."""
    radius = 1 + int(_number(generator, 0, 3))

    def paint(x: Tensor) -> Tensor:
        light = luminance(x)
        mean, square = _box(x, radius), _box(light**2, radius) - _box(light, radius) ** 2
        moves = [(dy, dx) for dy in (-radius, radius) for dx in (-radius, radius)]
        spread = torch.stack([square.roll(move, (2, 3)) for move in moves])
        means = torch.stack([mean.roll(move, (2, 3)) for move in moves])
        best = spread.argmin(0, keepdim=True).expand(-1, -1, 3, -1, -1)
        return means.gather(0, best)[0]

    return paint


def _grey(generator: torch.Generator) -> Filter:
    gain, tint = _number(generator, 0.7, 1.6), _colour(generator, 0.8, 1.0)
    return lambda x: ((luminance(x) - 0.5) * gain + 0.5).clamp(0, 1) * tint


def _gradient(generator: torch.Generator) -> Filter:
    """Lightness through a gradient of three or four colours from dark to light: a printer's few inks."""
    count = 3 + int(_number(generator, 0, 2))
    stops = torch.rand(count, 3, generator=generator)
    ramp = torch.linspace(0, 1, count)[:, None]
    stops = (0.55 * stops + 0.45 * ramp).clamp(0, 1)
    keep = _number(generator, 0.0, 0.6)

    def map_tones(x: Tensor) -> Tensor:
        place = luminance(x).clamp(0, 1) * (count - 1)
        lower = place.floor().clamp(max=count - 2).long()
        share = place - lower
        low, high = (stops[i.squeeze(1)].permute(0, 3, 1, 2) for i in (lower, lower + 1))
        return keep * x + (1 - keep) * (low * (1 - share) + high * share)

    return map_tones


def _matrix(generator: torch.Generator) -> Filter:
    """Colours mixed by a matrix near the identity, with more or less saturation."""
    mix = torch.eye(3) + _number(generator, 0.05, 0.35) * torch.randn(3, 3, generator=generator)
    saturation, lift = _number(generator, 0.2, 2.2), _colour(generator, -0.15, 0.15)

    def recolour(x: Tensor) -> Tensor:
        light = luminance(x)
        return (torch.einsum("ij,bjhw->bihw", mix, light + saturation * (x - light)) + lift).clamp(0, 1)

    return recolour


def _posterise(generator: torch.Generator) -> Filter:
    levels, soft = 2 + int(_number(generator, 0, 5)), _number(generator, 0.0, 0.4)
    return lambda x: soft * x + (1 - soft) * (x * (levels - 1)).round() / (levels - 1)


def _curve(generator: torch.Generator) -> Filter:
    gammas, low, high = (
        _colour(generator, 0.45, 2.2),
        _number(generator, 0, 0.25),
        _number(generator, 0.75, 1),
    )
    return lambda x: low + (high - low) * x.clamp_min(1e-4) ** gammas


def _edges(images: Tensor, radius: int) -> Tensor:
    """Dark sides of edges, positive: difference of two box blurs."""
    light = luminance(images)
    fine = _box(light, radius - 1) if radius > 1 else light
    return _box(light, radius + 1) - fine


def _outline(generator: torch.Generator) -> Filter:
    """Lines over the picture: their width, threshold, softness and ink are the hand's."""
    radius, threshold = 1 + int(_number(generator, 0, 3)), _number(generator, 0.01, 0.06)
    firm, ink = _number(generator, 30, 150), _colour(generator, 0, 0.4)

    def draw(x: Tensor) -> Tensor:
        lines = torch.sigmoid((_edges(x, radius) - threshold) * firm)
        return x * (1 - lines) + ink * lines

    return draw


def _sketch(generator: torch.Generator) -> Filter:
    """Lines alone on paper, with a little of the tone left."""
    lines, paper, tone = _outline(generator), _colour(generator, 0.75, 1), _number(generator, 0, 0.5)
    return lambda x: lines(paper * (1 - tone) + tone * x) if tone > 0.25 else _lines_on(x, lines, paper)


def _lines_on(images: Tensor, lines: Filter, paper: Tensor) -> Tensor:
    drawn = lines(images)
    inked = (drawn - images).abs().amax(1, keepdim=True).clamp(0, 0.5) * 2
    return paper * (1 - inked) + drawn * inked


def _grain(generator: torch.Generator) -> Filter:
    amount, coarse, coloured = (
        _number(generator, 0.03, 0.15),
        _number(generator) < 0.5,
        _number(generator) < 0.4,
    )

    def roughen(x: Tensor) -> Tensor:
        noise = torch.randn(len(x), 3 if coloured else 1, *x.shape[2:])
        return x + amount * (1.8 * _box(noise, 1) if coarse else noise)

    return roughen


def _waves(x: Tensor, angle: float, period: float) -> Tensor:
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in x.shape[2:])
    phase = rows[:, None] * math.sin(angle) + columns * math.cos(angle)
    return 0.5 + 0.5 * torch.cos(2 * math.pi * phase / period)


def _hatch(generator: torch.Generator) -> Filter:
    """Parallel strokes where the picture is dark."""
    angle, period = _number(generator, 0, math.pi), _number(generator, 3, 8)
    strength, ink = _number(generator, 0.4, 1), _colour(generator, 0, 0.5)

    def strokes(x: Tensor) -> Tensor:
        covered = strength * torch.sigmoid((1 - luminance(x) - _waves(x, angle, period)) * 12)
        return x * (1 - covered) + ink * covered

    return strokes


def _dots(generator: torch.Generator) -> Filter:
    """A printing screen, of dots that grow with darkness."""
    angle, period = _number(generator, 0, math.pi / 2), _number(generator, 3.5, 8)
    keep = _number(generator, 0.2, 0.7)

    def screen(x: Tensor) -> Tensor:
        dots = (_waves(x, angle, period) + _waves(x, angle + math.pi / 2, period)) / 2
        return keep * x + (1 - keep) * torch.sigmoid((x - dots) * 10)

    return screen


def _paper(generator: torch.Generator) -> Filter:
    """Slow stains of a ground that shows through."""
    amount, cells, tint = (
        _number(generator, 0.1, 0.4),
        4 + int(_number(generator, 0, 20)),
        _colour(generator, 0.5, 1),
    )

    def stain(x: Tensor) -> Tensor:
        cloud = torch.rand(len(x), 1, cells, cells)
        cloud = F.interpolate(cloud, x.shape[2:], mode="bilinear", align_corners=False)
        return x * (1 - amount * cloud) + tint * amount * cloud

    return stain

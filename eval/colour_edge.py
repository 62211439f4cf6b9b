"""`colour-edge`: a drawing described without any network: colours, edges, flat areas and line widths.

Every group of numbers is a square-rooted histogram or a bounded measure, so no group can dominate and
distances between histograms are Hellinger's.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.features import square, square_text

SIZE = 128
RESIZE = square_text(SIZE)
_VERSION = "colour-edge-v1"
_SCALES = 3
_LIGHT_BINS, _CHROMA_BINS, _HUE_BINS, _PLANE_BINS, _EDGE_BINS, _ANGLE_BINS = 16, 10, 12, 7, 12, 8
_FLAT_WINDOWS, _FLAT_LIMITS = (3, 7), (0.5, 1.5, 4.0)
_LINE_RADII = (1, 2, 4, 7)


def rgb_to_lab(images: Tensor) -> Tensor:
    """sRGB `(B, 3, H, W)` in [0, 1] to CIE Lab (D65): L in [0, 100], a and b within about 100 of 0."""
    linear = torch.where(images <= 0.04045, images / 12.92, ((images.clamp_min(0) + 0.055) / 1.055) ** 2.4)
    matrix = images.new_tensor(
        [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    )
    white = images.new_tensor([0.95047, 1.0, 1.08883]).view(1, 3, 1, 1)
    xyz = torch.einsum("ij,bjhw->bihw", matrix, linear) / white
    f = torch.where(xyz > 0.008856, xyz.clamp_min(1e-8) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


class ColourEdge(nn.Module):
    """Float RGB `(B, 3, H, W)` in [0, 1] to `(B, D)`; the squared norm of a row is about D."""

    def __init__(self) -> None:
        super().__init__()
        self.dim = sum(part.shape[1] for part in self.groups(torch.zeros(1, 3, SIZE, SIZE)))

    def groups(self, images: Tensor) -> list[Tensor]:
        """The groups of measures, each `(B, K)` with a norm of at most about 1."""
        lab = rgb_to_lab(square(images, SIZE))
        parts = _colour(lab)
        light = lab[:, :1]
        parts += [_flatness(light), _lines(light)]
        for scale in range(_SCALES):
            parts += _edges(F.avg_pool2d(light, 2**scale) if scale else light)
        return parts

    def forward(self, images: Tensor) -> Tensor:
        parts = self.groups(images)
        return torch.cat(parts, 1) * math.sqrt(self.dim / len(parts))


def _soft_histogram(position: Tensor, bins: int, weight: Tensor | None = None, wrap: bool = False) -> Tensor:
    """Root of the histogram of `(B, P)` positions in bins, each shared by two neighbours: `(B, bins)`."""
    weight = torch.ones_like(position) if weight is None else weight
    position = position if wrap else position.clamp(0, bins - 1)
    low = position.floor()
    share = position - low
    index = low.long()
    upper = index + 1
    index, upper = (index % bins, upper % bins) if wrap else (index, upper.clamp(max=bins - 1))
    counts = position.new_zeros(position.shape[0], bins)
    counts.scatter_add_(1, index, weight * (1 - share)).scatter_add_(1, upper, weight * share)
    return (counts / counts.sum(1, keepdim=True).clamp_min(1e-6)).sqrt()


def _colour(lab: Tensor) -> list[Tensor]:
    flat = lab.flatten(2) / 100
    mean = flat.mean(2, keepdim=True)
    deviation = flat.std(2, unbiased=False)
    third = ((flat - mean) ** 3).mean(2)
    moments = torch.cat([mean[:, :, 0], 2 * deviation, third.sign() * third.abs() ** (1 / 3)], 1)
    light, a, b = flat.unbind(1)
    chroma = torch.hypot(a, b)
    hue = torch.atan2(b, a) / (2 * math.pi) * _HUE_BINS
    plane = [(v / 0.6).clamp(-1, 1) * ((_PLANE_BINS - 1) / 2) + (_PLANE_BINS - 1) / 2 for v in (a, b)]
    joint = plane[0].round() * _PLANE_BINS + plane[1].round()
    # Hue means nothing where there is no colour, so its histogram shrinks with the picture's mean chroma.
    hues = _soft_histogram(hue, _HUE_BINS, chroma, wrap=True) * (4 * chroma.mean(1, keepdim=True)).clamp(
        max=1
    )
    return [
        moments,
        _soft_histogram(light * (_LIGHT_BINS - 1), _LIGHT_BINS),
        _soft_histogram(chroma.clamp(0, 1).sqrt() * (_CHROMA_BINS - 1), _CHROMA_BINS),
        hues,
        _soft_histogram(joint, _PLANE_BINS**2),
    ]


def _edges(light: Tensor) -> list[Tensor]:
    """Histograms of gradient strength and of orientation (modulo 180 degrees) of `(B, 1, H, W)` lightness."""
    kernel = light.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    filters = torch.stack([kernel, kernel.T])[:, None]
    dx, dy = F.conv2d(F.pad(light, (1, 1, 1, 1), mode="reflect"), filters).flatten(2).unbind(1)
    strength = torch.hypot(dx, dy)
    angle = torch.atan2(dy, dx) / math.pi * _ANGLE_BINS
    level = torch.log2(1 + 4 * strength) / math.log2(1 + 4 * 50) * (_EDGE_BINS - 1)
    return [
        _soft_histogram(level, _EDGE_BINS),
        _soft_histogram(angle, _ANGLE_BINS, strength, wrap=True) * 0.5,
    ]


def _flatness(light: Tensor) -> Tensor:
    """Shares of the picture with hardly any local contrast: cel shading is flat, paint and pencil are not."""
    shares = []
    for window in _FLAT_WINDOWS:
        mean = F.avg_pool2d(light, window, 1)
        deviation = (F.avg_pool2d(light**2, window, 1) - mean**2).clamp_min(0).sqrt()
        shares += [torch.sigmoid(4 * (limit - deviation) / limit).mean((1, 2, 3)) for limit in _FLAT_LIMITS]
    return torch.stack(shares, 1) / math.sqrt(len(shares))


def _lines(light: Tensor) -> Tensor:
    """Mean depth of dark and of bright strokes up to each width (morphological top-hats), as roots."""
    depths = []
    for sign in (1, -1):
        surface = sign * light / 100
        for radius in _LINE_RADII:
            closed = -_grown(-_grown(surface, radius), radius)
            depths.append((closed - surface).mean((1, 2, 3)).clamp_min(0).sqrt())
    return 1.5 * torch.stack(depths, 1) / math.sqrt(len(depths))


def _grown(surface: Tensor, radius: int) -> Tensor:
    """Dilation by a square, its sides one after the other."""
    padded = F.pad(surface, (radius,) * 4, value=-math.inf)
    return _sliding_maximum(_sliding_maximum(padded, 2 * radius + 1, -1), 2 * radius + 1, -2)


def _sliding_maximum(x: Tensor, side: int, axis: int) -> Tensor:
    """Largest of every `side` neighbours, from maxima of half as many: ten times as fast as a pooling."""
    seen = 1
    while seen < side:
        step = min(seen, side - seen)
        length = x.shape[axis] - step
        x = torch.maximum(x.narrow(axis, 0, length), x.narrow(axis, step, length))
        seen += step
    return x


def sha256() -> str:
    """Of the definition: version and every size."""
    bins = (_LIGHT_BINS, _CHROMA_BINS, _HUE_BINS, _PLANE_BINS, _EDGE_BINS, _ANGLE_BINS)
    recipe = f"{_VERSION} {SIZE} {_SCALES} {bins} {_FLAT_WINDOWS} {_FLAT_LIMITS} {_LINE_RADII}"
    return hashlib.sha256(recipe.encode()).hexdigest()

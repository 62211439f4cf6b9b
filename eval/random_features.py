"""`random`: an ensemble of untouched random networks, a judge that no training has seen.

Random convolutional features describe texture well (Ustyuzhaninov et al., arXiv 1606.00021), and features of
random networks give Frechet distances that rank generators (Naeem et al., arXiv 2002.09797). Filters are
drawn from fixed seeds with He's variance and never trained. Each channel is standardised before its ReLU with
statistics of synthetic pictures (overlapping discs with and without outlines), and so is each resulting
feature: without that, all channels mostly repeat the brightness of the picture. Every second network sees the
picture without its local mean, as the colour of a background says less about a hand than its strokes do: over
the training drawings of nine artists, leaving one out, that raised the share assigned to their own artist
from 0.86 to 0.92. No photo or drawing enters the definition.
"""

from __future__ import annotations

import functools
import hashlib
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.features import square, square_text

SIZE = 128
RESIZE = square_text(SIZE)
MEMBERS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (101, 3, (32, 64, 96)),
    (102, 5, (32, 64, 96)),
    (103, 7, (48, 96)),
    (104, 3, (32, 64, 96, 128)),
)
"""Seed, first kernel size and channels per stride-2 stage; members at odd places see local contrast only."""
STEERING_OFFSET = 1000
"""Added to the seeds for the ensemble that may steer training, so that the judge stays untouched."""
CONTRAST_WINDOW = 9
"""Side of the window whose mean is taken away, in pixels of the resized picture."""
ENERGY = 0.5
"""Mean square of a feature over the calibration pictures; about 0.7 on drawings, right for KID's kernel."""
CALIBRATION_SEED = 7
CALIBRATION_PICTURES = 32


class RandomNet(nn.Module):
    """One random network: stages of stride-2 convolution, standardisation and ReLU; borders reflected."""

    def __init__(self, seed: int, kernel: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.depth = len(widths)
        inputs = 3
        for i, width in enumerate(widths):
            side = kernel if i == 0 else 3
            # In float32 on the CPU whatever the defaults are: the same filters everywhere.
            filters = torch.randn(
                width, inputs, side, side, generator=generator, dtype=torch.float32, device="cpu"
            )
            self.register_buffer(f"filters{i}", filters * math.sqrt(2 / (inputs * side * side)))
            self.register_buffer(f"shift{i}", torch.zeros(1, width, 1, 1))
            self.register_buffer(f"scale{i}", torch.ones(1, width, 1, 1))
            inputs = width

    def forward(self, x: Tensor, calibrate: bool = False) -> list[Tensor]:
        """Channel means and standard deviations `(B, 2C)` after every stage."""
        features = []
        for i in range(self.depth):
            filters = self.get_buffer(f"filters{i}")
            pad = filters.shape[-1] // 2
            x = F.conv2d(F.pad(x, (pad,) * 4, mode="reflect"), filters, stride=2)
            if calibrate:
                self.get_buffer(f"shift{i}").copy_(x.mean((0, 2, 3), keepdim=True))
                self.get_buffer(f"scale{i}").copy_(
                    x.std((0, 2, 3), keepdim=True).clamp_min(1e-6).reciprocal()
                )
            x = F.relu((x - self.get_buffer(f"shift{i}")) * self.get_buffer(f"scale{i}"))
            mean = x.mean((2, 3), keepdim=True)
            # Four times as fast on a CPU as `Tensor.std`.
            deviation = (x - mean).square().mean((2, 3)).sqrt()
            features.append(torch.cat([mean.flatten(1), deviation], 1))
        return features


class RandomEnsemble(nn.Module):
    """All members' features, standardised; each stage has the same share of the squared norm."""

    shift: Tensor
    scale: Tensor

    def __init__(self, offset: int = 0) -> None:
        super().__init__()
        self.members = nn.ModuleList(
            RandomNet(seed + offset, kernel, widths) for seed, kernel, widths in MEMBERS
        )
        self.dim = sum(2 * sum(widths) for _, _, widths in MEMBERS)
        self.register_buffer("shift", torch.zeros(self.dim))
        self.register_buffer("scale", torch.ones(self.dim))

    def raw(self, images: Tensor, calibrate: bool = False) -> list[Tensor]:
        whole = square(images, SIZE) * 2 - 1
        edge = CONTRAST_WINDOW // 2
        contrast = whole - F.avg_pool2d(F.pad(whole, (edge,) * 4, mode="reflect"), CONTRAST_WINDOW, 1)
        inputs = (contrast if i % 2 else whole for i in range(len(self.members)))
        return [part for member, x in zip(self.members, inputs, strict=True) for part in member(x, calibrate)]

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """Set every standardisation from pictures `(B, 3, H, W)` in [0, 1]."""
        parts = self.raw(images, calibrate=True)
        joined = torch.cat(parts, 1)
        share = torch.cat(
            [p.new_full((p.shape[1],), math.sqrt(ENERGY * self.dim / len(parts) / p.shape[1])) for p in parts]
        )
        self.shift.copy_(joined.mean(0))
        self.scale.copy_(share / joined.std(0).clamp_min(1e-3))

    def forward(self, images: Tensor) -> Tensor:
        return (torch.cat(self.raw(images), 1) - self.shift) * self.scale


def disc_pictures(count: int, size: int = SIZE, seed: int = CALIBRATION_SEED, discs: int = 60) -> Tensor:
    """Synthetic pictures `(count, 3, size, size)` in [0, 1]: overlapping discs of many sizes and colours.

    Such "dead leaves" pictures share the scale statistics of natural ones (Lee, Mumford and Huang, 2001).
    Saturation goes from grey to full, and half of the pictures have dark outlines, as drawings do.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float32, device="cpu")

    axis = (torch.arange(size) + 0.5) / size
    saturation, outlined = uniform(count, 1), (uniform(count) < 0.5).view(-1, 1, 1)
    pictures = uniform(count, 3)[:, :, None, None].expand(-1, -1, size, size).clone()
    for _ in range(discs):
        centre, colour = uniform(count, 2) * 1.2 - 0.1, uniform(count, 3)
        colour = colour.mean(1, keepdim=True) * (1 - saturation) + colour * saturation
        radius = 0.03 * (1 - uniform(count) * 0.99).pow(-0.5).clamp(max=15)
        line = (0.004 + 0.02 * uniform(count)).view(-1, 1, 1)
        distance = torch.hypot(
            axis.view(1, 1, -1) - centre[:, :1, None], axis.view(1, -1, 1) - centre[:, 1:, None]
        )
        inside = distance - radius.view(-1, 1, 1)
        pictures = torch.where((inside < 0)[:, None], colour[:, :, None, None], pictures)
        ring = outlined & (inside.abs() < line)
        pictures = torch.where(ring[:, None], pictures.new_tensor(0.05), pictures)
    return pictures


@functools.cache
def build(offset: int = 0) -> RandomEnsemble:
    """The calibrated ensemble; the same object each time, as it never changes."""
    ensemble = RandomEnsemble(offset)
    ensemble.calibrate(disc_pictures(CALIBRATION_PICTURES))
    return ensemble


@functools.cache
def sha256(offset: int = 0) -> str:
    """Of everything that defines the features: structure, filters, calibration recipe.

    Calibrated numbers stay out: their last bits depend on the processor.
    """
    calibration = f"discs-60 {CALIBRATION_SEED} {CALIBRATION_PICTURES} {ENERGY}"
    recipe = f"random-v1 {SIZE} {MEMBERS} {CONTRAST_WINDOW} {calibration}"
    digest = hashlib.sha256(recipe.encode())
    for member in RandomEnsemble(offset).members:
        for name, tensor in member.named_buffers():
            if name.startswith("filters"):
                digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()

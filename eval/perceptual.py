"""The shipped perceptual network: small, ours, distilled from SqueezeNet's features.

Four feature maps in the place of SqueezeNet 1.0's relu1, fire3, fire5 and fire7 (arXiv 1602.07360), with the
same channels and the same grid, so that losses written for the one run on the other. Each map comes from a
trunk of plain 3x3 convolutions through a 1x1 projection. `fewshot/training/distill.py` makes the weights.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.shipped_weights import FOLDER, load_shipped

WEIGHTS = FOLDER / "perceptual.safetensors"
HEADER = "perceptual"
LAYERS = ("relu1", "fire3", "fire5", "fire7")
CHANNELS = (96, 128, 256, 384)
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, batch_norm: bool = False) -> nn.Sequential:
    """Convolution and ReLU; with `batch_norm` only while distilling (`fold` removes it)."""
    padding = 0 if stride == 2 else kernel // 2
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=True)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(outputs))
    return nn.Sequential(*layers, nn.ReLU())


class PerceptualNet(nn.Module):
    """Feature maps for style statistics and content comparison.

    Args:
        batch_norm: train-time variant with BatchNorm; `fold` turns it into the shipped one.

    `forward` takes RGB `(B, 3, H, W)` in [0, 1] with H, W >= 32 and returns four maps of 96, 128, 256 and 384
    channels at about 1/2, 1/4, 1/8 and 1/8 of the resolution, non-negative.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, batch_norm: bool = False) -> None:
        super().__init__()
        bn = batch_norm
        self.stem = _conv(3, 64, 7, 2, bn)
        self.trunk2 = nn.Sequential(_conv(64, 96, 3, batch_norm=bn), _conv(96, 96, 3, batch_norm=bn))
        self.trunk3 = nn.Sequential(_conv(96, 128, 3, batch_norm=bn), _conv(128, 128, 3, batch_norm=bn))
        self.trunk4 = nn.Sequential(_conv(128, 160, 3, batch_norm=bn), _conv(160, 160, 3, batch_norm=bn))
        self.heads = nn.ModuleList(
            nn.Conv2d(width, channels, 1)
            for width, channels in zip((64, 96, 128, 160), CHANNELS, strict=True)
        )
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = (images - self.mean) / self.std
        first = self.stem(x)
        second = self.trunk2(F.max_pool2d(first, 3, 2, ceil_mode=True))
        third = self.trunk3(F.max_pool2d(second, 3, 2, ceil_mode=True))
        fourth = self.trunk4(third)
        return [
            F.relu(head(trunk))
            for head, trunk in zip(self.heads, (first, second, third, fourth), strict=True)
        ]

    def fold(self) -> PerceptualNet:
        """The same function without BatchNorm: each goes into the convolution before it (eval statistics)."""
        folded = PerceptualNet()
        folded.heads.load_state_dict(self.heads.state_dict())
        sources = [m for m in self.modules() if isinstance(m, nn.Sequential) and isinstance(m[0], nn.Conv2d)]
        targets = [
            m for m in folded.modules() if isinstance(m, nn.Sequential) and isinstance(m[0], nn.Conv2d)
        ]
        for source, target in zip(sources, targets, strict=True):
            convolution, norm = source[0].eval(), source[1].eval()
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d), "only the train-time variant can be folded"
            fused = nn.utils.fusion.fuse_conv_bn_eval(convolution, norm)
            target[0].load_state_dict(fused.state_dict())
        return folded.eval()


def load_perceptual(path: Path = WEIGHTS) -> PerceptualNet:
    """The shipped network, frozen, in eval mode and float32 (stored as float16).

    Raises:
        MissingWeightsError: there is no such file.
        WeightsMismatchError: unreadable, altered (its sha256 is in its own header) or of another network.
    """
    return load_shipped(PerceptualNet(), path, HEADER, "fewshot.training.distill")


def style_statistics(maps: list[Tensor]) -> list[Tensor]:
    """Mean and standard deviation of each channel over positions, per map: `(B, 2C)`.

    The batch-normalisation statistics of arXiv 1701.01036. A small constant under the root keeps the gradient
    finite where a channel is flat.
    """
    return [torch.cat([m.mean((2, 3)), (m.var((2, 3), unbiased=False) + 1e-5).sqrt()], 1) for m in maps]

"""Named convolution, residual and upsampling blocks of the generator.

Built so that PEFT's adapters on convolutions neither drop anything nor merge wrongly: explicit
`ReflectionPad2d` before unpadded convolutions, no dilation, no groups, no transposed convolution, no spectral
norm, InstanceNorm with affine parameters and without running statistics.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@functools.cache
def _fused() -> Any:
    """The fused kernels, None where they do not run.

    Triton comes with some builds of PyTorch alone, compiles with the machine's C compiler, and does not know
    every GPU: whatever goes wrong at the first try, PyTorch's own kernels do the same work.
    """
    try:
        from base_models import fused

        fused.reflection_pad(torch.zeros(1, 1, 2, 2, device="cuda"), 1)
    except Exception:
        return None
    return fused


class InstanceNorm(nn.InstanceNorm2d):
    """Affine InstanceNorm without running statistics, and ReLU if wanted.

    The same function as `torch.nn.InstanceNorm2d`, in whatever way a device does it fastest.

    Args:
        channels: C of the pictures `(B, C, H, W)`.
        relu: ReLU at the end.
    """

    def __init__(self, channels: int, *, relu: bool = False) -> None:
        super().__init__(channels, affine=True)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda and (fused := _fused()):
            return fused.norm_relu(x, self.weight, self.bias, self.eps, self.relu)
        # With one channel to a group it is the same function, and on a CPU it stays channels last: a training
        # step takes two thirds of the time. Half precision would be slower here.
        x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        x = F.group_norm(x, self.num_features, self.weight, self.bias, self.eps)
        return F.relu(x) if self.relu else x


class ReflectionPad(nn.ReflectionPad2d):
    """`torch.nn.ReflectionPad2d` with one width for all sides, kept channels last on a GPU."""

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda and (fused := _fused()):
            return fused.reflection_pad(x, self.padding[0])
        return super().forward(x)


class ConvBlock(nn.Module):
    """Reflection padding, convolution, and optionally InstanceNorm and ReLU.

    Args:
        inputs, outputs: channels.
        kernel: odd kernel size; the padding keeps the size (up to the stride).
        stride: 1 or 2.
        norm: InstanceNorm with affine parameters after the convolution.
        act: ReLU at the end.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, norm: bool = True, act: bool = True
    ) -> None:
        super().__init__()
        self.pad = ReflectionPad(kernel // 2)
        # InstanceNorm subtracts the mean, so a bias before it would do nothing.
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=not norm)
        self.norm = InstanceNorm(outputs, relu=act) if norm else nn.Identity()
        self.act = nn.ReLU() if act and not norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(self.pad(x))))


class ResidualBlock(nn.Module):
    """x + two 3x3 ConvBlocks, the second without ReLU (Johnson et al. 2016, as in CycleGAN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvBlock(channels, channels)
        self.conv2 = ConvBlock(channels, channels, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.conv1(x))


class SubPixel(nn.Module):
    """Pixel-shuffle and a fixed low-pass filter.

    Each of the shuffled phases has weights of its own, and where they disagree the picture gets a grid of
    dots. A mean over `factor` pixels takes away exactly the grids that phases can make, a second one over two
    brings the result back to its place; the means carry no weights.

    Args:
        factor: pixel-shuffle factor, 1 or even; 1 leaves the picture as it is.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        if factor != 1 and factor % 2:
            raise ValueError(f"the factor is {factor}, expected 1 or an even number")
        self.factor = factor
        self.shuffle = nn.PixelShuffle(factor)
        self.pad = ReflectionPad(factor // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shuffle(x)
        if self.factor == 1:
            return x
        return F.avg_pool2d(F.avg_pool2d(self.pad(x), self.factor, stride=1), 2, stride=1)


class UpsampleBlock(nn.Module):
    """Nearest-neighbour upsampling by two and a 3x3 ConvBlock, free of checkerboards (Odena et al. 2016)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.block = ConvBlock(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(self.upsample(x))

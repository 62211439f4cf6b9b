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

    `forward` takes pictures and, if wanted, their modulation `(B, 2C, 1, 1)`: what is added to one for the
    gain of each channel, and what is added to it (FiLM, arXiv 1709.07871, eq. 1).
    """

    def __init__(self, channels: int, *, relu: bool = False) -> None:
        super().__init__(channels, affine=True)
        self.relu = relu

    def forward(self, x: Tensor, modulation: Tensor | None = None) -> Tensor:
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if modulation is not None:
            # One affine map instead of two, so that the pictures are gone over once.
            gain, shift = modulation.float().flatten(1).chunk(2, 1)
            weight, bias = torch.addcmul(weight, weight, gain), torch.addcmul(bias + shift, bias, gain)
        if x.is_cuda and (fused := _fused()):
            return fused.norm_relu(x, weight, bias, self.eps, self.relu)
        # With one channel to a group it is the same function, and on a CPU it stays channels last: a training
        # step takes two thirds of the time. Half precision would be slower here.
        x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        if modulation is None:
            x = F.group_norm(x, self.num_features, weight, bias, self.eps)
        else:
            x = F.group_norm(x, self.num_features, eps=self.eps)
            x = torch.addcmul(bias[..., None, None], x, weight[..., None, None])
        return F.relu(x) if self.relu else x


class ReflectionPad(nn.ReflectionPad2d):
    """`torch.nn.ReflectionPad2d` with one width for all sides, kept channels last on a GPU."""

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda and (fused := _fused()):
            return fused.reflection_pad(x, self.padding[0])
        return super().forward(x)


def thumbnail(x: Tensor, cells: int) -> Tensor | None:
    """Mean colours of `cells` x `cells` parts of pictures `(B, C, H, W)`, as `(B, C cells², 1, 1)`.

    None without cells. H and W are multiples of `cells`.
    """
    return F.adaptive_avg_pool2d(x.float(), cells).flatten(1)[..., None, None] if cells else None


class ConvBlock(nn.Module):
    """Reflection padding, convolution, and optionally InstanceNorm and ReLU.

    InstanceNorm takes mean and contrast of a picture away, and with them how dark its skin is. `film`,
    a linear map that starts at zero, gives back what a thumbnail tells of them. `place` does the same place
    by place (SPADE, arXiv 1903.07291, with one linear map): an artist may paint all skin white.

    Args:
        inputs, outputs: channels.
        kernel: odd kernel size; the padding keeps the size (up to the stride).
        stride: 1 or 2.
        norm: InstanceNorm with affine parameters after the convolution.
        act: ReLU at the end.
        film: cells a side of the thumbnail (of three channels) that the norm is modulated by; 0: by none.
        parts: channels that modulate the norm place by place; 0: none do.

    `forward` takes `(B, inputs, H, W)`, the thumbnail, and those channels `(B, parts, h, w)` of any size.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        norm: bool = True,
        act: bool = True,
        film: int = 0,
        parts: int = 0,
    ) -> None:
        super().__init__()
        self.pad = ReflectionPad(kernel // 2)
        # InstanceNorm subtracts the mean, so a bias before it would do nothing.
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=not norm)
        own = norm and not parts
        self.norm = InstanceNorm(outputs, relu=act and own) if norm else nn.Identity()
        self.act = nn.ReLU() if act and not own else nn.Identity()
        # Convolutions, so that adapters find them as they find the others.
        self.film = nn.Conv2d(3 * film**2, 2 * outputs, 1, bias=False) if norm and film else None
        self.place = nn.Conv2d(parts, 2 * outputs, 1, bias=False) if norm and parts else None

    def forward(self, x: Tensor, seen: Tensor | None = None, parts: Tensor | None = None) -> Tensor:
        x = self.conv(self.pad(x))
        x = self.norm(x) if self.film is None else self.norm(x, self.film(seen))
        if self.place is not None and parts is not None:
            where = F.interpolate(parts, x.shape[-2:], mode="bilinear")
            gain, shift = self.place(where).to(x.dtype).chunk(2, 1)
            x = torch.addcmul(x + shift, x, gain)
        return self.act(x)


class ResidualBlock(nn.Module):
    """x + two 3x3 ConvBlocks, the second without ReLU (Johnson et al. 2016, as in CycleGAN)."""

    def __init__(self, channels: int, film: int = 0) -> None:
        super().__init__()
        self.conv1 = ConvBlock(channels, channels, film=film)
        self.conv2 = ConvBlock(channels, channels, act=False, film=film)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        return x + self.conv2(self.conv1(x, seen), seen)


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

    def __init__(self, inputs: int, outputs: int, film: int = 0, parts: int = 0) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.block = ConvBlock(inputs, outputs, film=film, parts=parts)

    def forward(self, x: Tensor, seen: Tensor | None = None, parts: Tensor | None = None) -> Tensor:
        return self.block(self.upsample(x), seen, parts)

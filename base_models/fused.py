"""Reflection padding and InstanceNorm with ReLU as single GPU kernels, forward and backward, channels last.

PyTorch's own leave the channels-last layout, which convolutions on tensor cores need, and launch about ten
kernels where two do; the backward pass of its reflection padding adds atomically. On one H100 they took twice
the time of the convolutions of a training step. Written in Triton, which comes with CUDA builds of PyTorch;
without a GPU nothing here is imported.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from base_models import fused_kernels as kernels

_ROWS, _CHANNELS = 128, 32
"""Positions and channels that one program holds in registers."""
_BLOCK = 1024


class _NormRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, relu: bool) -> Tensor:
        ctx.relu, ctx.eps = relu, eps
        given, x = x, x.contiguous(memory_format=torch.channels_last)
        sizes, grid = _sizes(x)
        moments = x.new_empty(grid[0], grid[2], 2, sizes[1], dtype=torch.float32)
        kept = x.new_empty(grid[0], 2, sizes[1], dtype=torch.float32)
        out = torch.empty_like(x)
        tile = {"ROWS": _ROWS, "CHANNELS": _CHANNELS}
        kernels.moments[grid](x, moments, *sizes, **tile)
        affine = weight, bias, _stride(weight)
        kernels.normalise[grid](x, moments, *affine, out, kept, *sizes, eps, RELU=relu, **tile)
        ctx.save_for_backward(given, weight, bias, kept)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, kept = ctx.saved_tensors
        if torch.is_grad_enabled():
            # A gradient that is itself to be differentiated, as the gradient penalty's.
            out = F.instance_norm(x, eps=ctx.eps) * weight[..., None, None] + bias[..., None, None]
            wanted = [t for t in (x, weight, bias) if t.requires_grad]
            found = torch.autograd.grad(out.relu() if ctx.relu else out, wanted, gradient, create_graph=True)
            left = iter(found)
            return *(next(left) if t.requires_grad else None for t in (x, weight, bias)), None, None
        x = x.contiguous(memory_format=torch.channels_last)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        sizes, grid = _sizes(x)
        sums = x.new_empty(grid[0], grid[2], 2, sizes[1], dtype=torch.float32)
        out = torch.empty_like(x)
        options = {"RELU": ctx.relu, "ROWS": _ROWS, "CHANNELS": _CHANNELS}
        affine = weight, bias, _stride(weight)
        kernels.gradient_sums[grid](x, gradient, kept, *affine, sums, *sizes, **options)
        kernels.input_gradient[grid](x, gradient, kept, *affine, sums, out, *sizes, **options)
        plain, times = sums.sum((0, 1) if weight.dim() == 1 else 1).unbind(-2)
        return out, times.to(weight.dtype), plain.to(bias.dtype), None, None


class _Pad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, pad: int) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        count, channels, height, width = x.shape
        out = torch.empty(
            (count, channels, height + 2 * pad, width + 2 * pad),
            dtype=x.dtype, device=x.device, memory_format=torch.channels_last,
        )  # fmt: skip
        ctx.pad, ctx.shape = pad, x.shape
        grid = (triton.cdiv(out.numel(), _BLOCK),)
        kernels.mirror[grid](x, out, out.numel(), height, width, channels, PAD=pad, BLOCK=_BLOCK)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        _, channels, height, width = ctx.shape
        out = torch.empty(
            ctx.shape, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last
        )
        grid = (triton.cdiv(out.numel(), _BLOCK),)
        kernels.unmirror[grid](gradient, out, out.numel(), height, width, channels, PAD=ctx.pad, BLOCK=_BLOCK)
        return out, None


def _sizes(x: Tensor) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Positions, channels and slices; pictures, blocks of channels and slices."""
    count, channels, height, width = x.shape
    slices = triton.cdiv(height * width, _ROWS)
    return (height * width, channels, slices), (count, triton.cdiv(channels, _CHANNELS), slices)


def _stride(weight: Tensor) -> int:
    """How far the parameters of one picture are from the next one's."""
    return 0 if weight.dim() == 1 else weight.shape[1]


def norm_relu(x: Tensor, weight: Tensor, bias: Tensor, eps: float, relu: bool) -> Tensor:
    """InstanceNorm over `(B, C, H, W)` with affine parameters, then ReLU if wanted.

    Statistics in float32, the result in the type of `x`, channels last.

    Args:
        weight, bias: both `(C,)`, or `(B, C)` where each picture has its own.
    """
    with torch.cuda.device_of(x):
        return _NormRelu.apply(x, weight.contiguous(), bias.contiguous(), eps, relu)


def reflection_pad(x: Tensor, pad: int) -> Tensor:
    """`(B, C, H, W)` with `pad` mirrored rows and columns on each side, channels last. Differentiable once.

    Raises:
        ValueError: H or W is not more than `pad`.
    """
    if min(x.shape[2:]) <= pad:
        raise ValueError(f"pictures of {x.shape[2]} x {x.shape[3]} cannot be padded by {pad} mirrored pixels")
    with torch.cuda.device_of(x):
        return _Pad.apply(x, pad)

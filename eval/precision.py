"""Arithmetic that does not depend on where it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Neither bfloat16 under autocast nor TF32, which cuDNN uses for convolutions unless told otherwise.

    TF32 has ten bits of mantissa: a picture's features would differ in the third digit between devices.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.autocast(device.type, enabled=False))
        if device.type == "cuda":
            stack.callback(setattr, cudnn, "allow_tf32", cudnn.allow_tf32)
            stack.callback(setattr, matmul, "allow_tf32", matmul.allow_tf32)
            cudnn.allow_tf32 = matmul.allow_tf32 = False
        yield

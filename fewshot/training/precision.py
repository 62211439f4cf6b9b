"""Which arithmetic a device is fast in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import Accelerator


def best_precision() -> str:
    """`bf16` on GPUs and CPUs with native bfloat16 arithmetic, `no` (float32) elsewhere.

    On a CPU with AVX512-BF16 or AMX, convolutions of 64 and more channels train about twice as fast in
    bfloat16; without them bfloat16 is emulated and slower. `ACCELERATE_MIXED_PRECISION`, which Accelerate's
    launcher sets, comes first.
    """
    import torch

    if chosen := os.environ.get("ACCELERATE_MIXED_PRECISION"):
        return chosen
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "no"
    return "bf16" if "avx512_bf16" in flags or "amx_bf16" in flags else "no"


def make_accelerator(
    precision: str | None = None,
    *,
    cpu: bool = False,
    track: Sequence[str] = (),
    folder: Path | None = None,
) -> Accelerator:
    """Accelerate's handle on the devices and processes of this run.

    Args:
        precision: `no`, `bf16` or `fp16`; default: `best_precision()`.
        cpu: stay on the CPU even where there is a GPU.
        track: trackers, see `tracking.py`.
        folder: of the run, where trackers write.
    """
    from accelerate import Accelerator

    return Accelerator(
        mixed_precision=precision or best_precision(),
        cpu=cpu,
        log_with=list(track) or None,
        project_dir=folder,
    )

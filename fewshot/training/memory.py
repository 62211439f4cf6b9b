"""How many pictures of a batch a process computes at once: as many as there is memory for.

What a step takes was measured with `quick` on scan_128 and scan_256, 1 to 16 pictures at once, on a CPU: what
backpropagation keeps of one picture, times 2 and another 1.3 for each picture
(`tests/fewshot/training/test_memory.py` holds a real process to its limit).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from fewshot.errors import BadInputError
from fewshot.output import notice
from fewshot.sizes import format_bytes
from fewshot.training.global_batch import GlobalBatch
from fewshot.training.launch import SHARING

_FIXED = 2.0
"""Of what one picture keeps: gradients, workspace, what the allocator cannot give back."""
_EACH = 1.4
"""Of the same, for each picture."""
_SPARE = 0.9
"""Share of the free memory that is counted on, where nobody set a limit."""
_CGROUP = Path("/sys/fs/cgroup")


def fit_memory(
    batch: GlobalBatch, compute: Callable[[], Any], networks: Iterable[nn.Module], limit: float | None
) -> None:
    """Set how many pictures `batch` computes at once, alike in every process.

    Args:
        compute: the losses of one picture, with all that backpropagation needs.
        networks: whose weights are there already.
        limit: bytes that each process may take in all; None: what is free.

    Raises:
        BadInputError: there is no room for a single picture.
    """
    each = kept_bytes(compute, networks)
    room = free_bytes(batch.accelerator.device, limit)
    fitting = torch.tensor([room / each / _EACH - _FIXED / _EACH], device=batch.accelerator.device)
    count = int(batch.accelerator.gather(fitting).min())
    if count < 1:
        raise BadInputError(
            f"one picture at a time takes {format_bytes((_FIXED + _EACH) * each)} more memory, and there is "
            f"{format_bytes(max(0.0, room))}" + (" within --memory-limit" if limit else ""),
            "set a higher --memory-limit, close other programs, or take a smaller --base",
        )
    if count < batch.largest:
        batch.at_once = count
        notice(f"memory for {count} of {batch.largest} pictures at once: each batch is computed in pieces")


def kept_bytes(compute: Callable[[], Any], networks: Iterable[nn.Module]) -> int:
    """What backpropagation through `compute` keeps in memory, weights not counted."""
    weights = {p.untyped_storage().data_ptr() for net in networks for p in net.parameters()}
    kept: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        # Held, so that no two of them have one address.
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        compute()
    return sum(t.untyped_storage().nbytes() for address, t in kept.items() if address not in weights)


def free_bytes(device: torch.device, limit: float | None) -> float:
    """What this process may take beyond what it has; negative where it has more than its limit."""
    if device.type == "cuda":
        held = torch.cuda.memory_allocated(device)
        free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - held
        return min(free * _SPARE, limit - held if limit else free)
    _give_back()
    room = free_of_machine() * _SPARE / _sharing()
    return min(room, limit - psutil.Process().memory_info().rss) if limit else room


def _sharing() -> int:
    """Trainings on this machine that share its memory."""
    return max(int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", SHARING))


def free_of_machine() -> float:
    """Bytes that can be had, within the limit of a container."""
    free = float(psutil.virtual_memory().available)
    try:
        most, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        lines = (_CGROUP / "memory.stat").read_text().splitlines()
        # Files that were read and may be forgotten count as used there.
        idle = next(float(line.split()[1]) for line in lines if line.startswith("inactive_file "))
        return free if most == "max" else min(free, float(most) - float(used) + idle)
    except (OSError, ValueError, StopIteration):
        return free


def _give_back() -> None:
    """Return freed memory to the system: glibc keeps it, and it would be counted as taken."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)

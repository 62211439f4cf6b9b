"""How many pictures of a batch a process computes at once: as many as there is memory for.

What a step takes was measured with `quick` on scan_128 and scan_256, 1 to 16 pictures at once, on a CPU: what
backpropagation keeps of one picture, times 2 and another 1.3 for each picture; 1.4 are reckoned with. No GPU
was measured (`tests/fewshot/training/test_memory.py` holds a real process to its limit).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from fewshot.errors import OutOfMemoryError
from fewshot.output import notice
from fewshot.sizes import format_bytes
from fewshot.training.cgroups import cgroup_memory
from fewshot.training.global_batch import GlobalBatch
from fewshot.training.launch import SHARING

_FIXED = 2.0
"""Of what one picture keeps: gradients, workspace, what the allocator cannot give back."""
_EACH = 1.4
"""Of the same, for each picture."""
_SPARE = 0.9
"""Share of the memory that is counted on, where nobody set a limit."""


def fit_memory(
    batch: GlobalBatch, compute: Callable[[], Any], networks: Iterable[nn.Module], limit: float | None
) -> None:
    """Set how many pictures `batch` computes at once, alike in every process.

    Args:
        compute: the losses of one picture, with all that backpropagation needs.
        networks: whose weights are there already.
        limit: bytes that each process may take in all; None: what is free.

    Raises:
        OutOfMemoryError: there is no room for a single picture.
    """
    accelerator = batch.accelerator
    own = torch.tensor([[kept_bytes(compute, networks), free_bytes(accelerator.device, limit)]])
    everyone = accelerator.gather(own.float().to(accelerator.device)).cpu()
    counts = everyone[:, 1] / everyone[:, 0] / _EACH - _FIXED / _EACH
    count = int(counts.min())
    if count < 1:
        each, room = everyone[counts.argmin()].tolist()
        raise OutOfMemoryError(
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
    sharing = int(os.environ.get(SHARING, "1"))
    if device.type == "cuda":
        held = float(torch.cuda.memory_allocated(device))
        free, total = map(float, torch.cuda.mem_get_info(device))
        free += torch.cuda.memory_reserved(device) - held
        together = 1
    else:
        _give_back()
        held = float(psutil.Process().memory_info().rss)
        free, total = free_of_machine(), _memory_of_machine()
        together = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    # Processes that train together begin together; others may have their part already.
    room = free * _SPARE / together
    if sharing > 1:
        room = min(room, total * _SPARE / sharing - held)
    return min(room, limit - held) if limit else room


def free_of_machine() -> float:
    """Bytes that can be had, within the limit of a container."""
    free = float(psutil.virtual_memory().available)
    return min([free, *(left for left, _ in cgroup_memory())])


def _memory_of_machine() -> float:
    """All that there is, within the limit of a container."""
    return min([float(psutil.virtual_memory().total), *(most for _, most in cgroup_memory())])


def _give_back() -> None:
    """Return freed memory to the system: glibc keeps it, and it would be counted as taken."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)

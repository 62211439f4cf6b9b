"""What the convolutions of a piece of work cost by themselves: the floor for its time.

`recorded` notes every convolution, forward and backward, as it reaches the kernels (after autocast, in the
layout it really has). `seconds` runs the same ones alone on random numbers and adds their times up.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_OPERATORS = (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default)

Call = tuple[Any, ...]
"""Operator and its arguments; a tensor as (shape, stride, dtype)."""


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[Call] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _OPERATORS:
            self.calls[(func, *(_described(a) for a in args))] += 1
        return func(*args, **(kwargs or {}))


def _described(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        return ("tensor", tuple(argument.shape), tuple(argument.stride()), argument.dtype)
    return tuple(argument) if isinstance(argument, list) else argument


@contextmanager
def recorded() -> Iterator[Counter[Call]]:
    """How often each convolution was called inside the block."""
    with _Recorder() as recorder:
        yield recorder.calls


def seconds(calls: Counter[Call], device: torch.device, repeats: int = 9) -> float:
    """Time of all calls run alone: the sum of each one's median."""
    return sum(count * _seconds_of(call, device, repeats) for call, count in calls.items())


def _seconds_of(call: Call, device: torch.device, repeats: int) -> float:
    operator, *described = call
    arguments = [_made(d, device) for d in described]

    def run() -> None:
        operator(*arguments)

    return timed(run, device, repeats)


def _made(described: Any, device: torch.device) -> Any:
    if isinstance(described, tuple) and described[:1] == ("tensor",):
        _, shape, stride, dtype = described
        return torch.empty_strided(shape, stride, dtype=dtype, device=device).normal_()
    return list(described) if isinstance(described, tuple) else described


def timed(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median seconds of one run; on a GPU of many in one recorded graph, without the gaps of launching."""
    for _ in range(3):
        run()
    if device.type == "cpu":
        return statistics.median(_wall(run) for _ in range(repeats))
    graph, loops = torch.cuda.CUDAGraph(), 20
    with torch.cuda.graph(graph):
        for _ in range(loops):
            run()

    def replay() -> None:
        graph.replay()
        torch.cuda.synchronize()

    return statistics.median(_wall(replay) for _ in range(repeats)) / loops


def _wall(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start

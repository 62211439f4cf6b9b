"""CUDA graphs: a training step recorded once and replayed, so that the GPU never waits for Python.

A step at 64 px is some two thousand kernels of a few microseconds each. Launched one by one they leave the
GPU idle most of the time; a replay launches all of them at once
(https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


class Graphed:
    """A function of tensors as a CUDA graph.

    Recording does not compute anything: `outputs` have values from the first call on, and each call writes
    the same memory anew. Random numbers from the host and anything that waits for the device are not allowed
    inside the function; what it changes in place (parameters, optimizer states) it changes in every call.

    Args:
        function: run a few times before on the same stream, so that everything lazy exists.
        inputs: example of what each call gives; shapes and dtypes are fixed.
        pool: memory to share with graphs that are replayed in the order of their recording.
    """

    def __init__(self, function: Callable[[Tensors], Any], inputs: Tensors, pool: Any = None) -> None:
        self.inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, pool=pool, stream=torch.cuda.current_stream()):
            self.outputs = function(self.inputs)

    def __call__(self, inputs: Tensors) -> Any:
        for name, tensor in self.inputs.items():
            tensor.copy_(inputs[name])
        self.graph.replay()
        return self.outputs


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Work on a stream of its own inside the block: the default one cannot be recorded."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream(device).wait_stream(stream)

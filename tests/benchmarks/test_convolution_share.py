"""How much of a training step is convolution, and how much of its time is spent waiting for pictures.

A step must do its convolutions; whatever else it does is overhead. So every convolution of one step, forward
and backward, is noted as it reaches the kernels (after autocast, in the layout it really has), each distinct
one is timed alone on random numbers, and the sum over all calls is divided by the time of a whole step:

    share = sum over kinds of (calls x median time alone) / median time of a step

The aim is 0.6 or more. The arithmetic for stage 1 of scan_128 (64 px, one generator pass 0.680 GMACs): a step
makes 4 generator passes, forward and twice that backward, so 12 x 0.680 = 8.2 GMACs a pair, and with the
discriminators and the perceptual features 9.3. Two cores with AVX-512 BF16 do about 215 GMAC/s of such
convolutions: 4 pairs take 0.17 s at best.

Measured, with the share of each:

    machine                                           stage     batch   step, ms   share   pictures
    two cores, AVX-512 BF16, bfloat16                 1 (64)    4       253        0.53    0.007
    two cores, AVX-512 BF16, bfloat16                 2 (128)   4       470        0.51    0.009
    H100, bfloat16, launched one by one               1         32      106        0.10
    H100, CUDA graphs                                 1         32      27.4       0.38
    H100, CUDA graphs, torch.compile (78 s)           1         32      24.2       0.43
    H100, CUDA graphs, fused norm and padding         1         16      13.7       0.44

So none reaches the aim. Shares of one stage differ from run to run by 0.06 (0.65 was once seen in stage 2).
Inside a step, where caches are cold, the profiler gives the convolutions 0.60 and 0.58 of the time of stages
1 and 2, InstanceNorm 0.15, copies between precisions 0.06, Adam, fused, 0.02. InstanceNorm through
`group_norm` took a step of stage 1 from 422 to 256 ms; handing its result on in bfloat16 gained nothing. On
the H100 the convolutions are so short (6 to 10 us each) that 4,400 kernels of 3 us make up the rest; larger
batches (which learn less a second) or fewer, larger kernels are what is left.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import build_networks
from eval.perceptual import load_perceptual
from fewshot.data.draws import Draws
from fewshot.data.loader import Domain
from fewshot.data.packs import Pack
from fewshot.training.batches import draw_batches
from fewshot.training.global_batch import GlobalBatch
from fewshot.training.graphs import own_stream
from fewshot.training.precision import best_precision, make_accelerator
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.stage import StageTrainer
from fewshot.training.stage_networks import StageNetworks

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCH = 16 if DEVICE.type == "cuda" else 4

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


def trainer_of(stage: int) -> StageTrainer:
    """A stage of scan_128 as `fewshot base train` makes it, random weights."""
    config = PretrainConfig(arch="scan_128", steps=(100, 100), batch=BATCH)
    architecture = ARCHITECTURES[config.arch]
    nets = build_networks(architecture)
    for net in nets:
        net.to(DEVICE, memory_format=torch.channels_last)  # type: ignore[call-overload]
        net.stages[:stage].requires_grad_(False)
    accelerator = make_accelerator(best_precision(), cpu=DEVICE.type == "cpu")
    perceptual = load_perceptual().to(DEVICE)
    networks = StageNetworks(*nets, stage, config, architecture, perceptual, accelerator.device)
    return StageTrainer(networks, GlobalBatch(accelerator, config.batch))


def domain(side: int) -> Domain:
    """64 random pictures."""
    pixels = torch.randint(0, 256, (64, 3, side, side), dtype=torch.uint8).numpy()
    return Domain([Pack("made", tuple(map(str, range(64))), pixels)], None, DEVICE)


@pytest.mark.benchmark(group="base train: convolutions and pictures in a step")
@pytest.mark.parametrize("stage", [0, 1])
def test_share_of_convolutions(benchmark: Any, stage: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of each stage of scan_128, its convolutions alone, and the draw of its pictures alone."""
    for name in ("ACCELERATE_MIXED_PRECISION", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    trainer = trainer_of(stage)
    size = ARCHITECTURES["scan_128"].stages[stage].size
    photos, drawings = (domain(round(size * trainer.config.margin)) for _ in range(2))
    rng = torch.Generator().manual_seed(0)

    def draw() -> Any:
        draws = Draws(rng, trainer.config.batch)
        return draw_batches(photos, drawings, size, trainer.config, draws, DEVICE)[0]

    with own_stream(DEVICE):
        batch = draw()
        for number in range(2):
            trainer.step(batch, number, 0.0)
        with recorded() as calls:
            trainer.step(batch, 2, 0.0)
        for number in range(3, 8):
            trainer.step(batch, number, 0.0)

        def step() -> None:
            losses = trainer.step(batch, 9, 0.0)
            assert all(torch.isfinite(value) for value in losses.values())

        benchmark.pedantic(step, rounds=9)
        whole, alone = benchmark.stats.stats.median, seconds(calls, DEVICE)
        waiting = statistics.median(_wall(draw) for _ in range(9))
    assert 0 < alone < whole
    benchmark.extra_info["precision"] = trainer.accelerator.mixed_precision
    benchmark.extra_info["convolutions, share of the step"] = round(alone / whole, 3)
    benchmark.extra_info["pictures, share of the step"] = round(waiting / whole, 3)

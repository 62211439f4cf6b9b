"""One process or two on the same two cores: a step of `quick` with batch=4 on scan_128, shared or not.

A step of P processes takes c / P + x: computing a share, and exchanging. Each process averages the gradients
of the adapter's and the discriminator's weights (13 MB of float32 through gloo) and gathers the variances of
nine layers; Adam's updates are done by each. One process has both cores already, so there is nothing to win
here: what is told is what one core does alone, and what sharing costs. On two GPUs c would be halved.
"""

import json
import os
import statistics
import subprocess
import sys
from typing import Any

import pytest

from fewshot.training.launch import _environment, _free_port

STEPS = 8
SCRIPT = """
import json, sys, time
from pathlib import Path
import torch
from base_models.registry import create_model
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_folder
from fewshot.training.adaptation import Adaptation
from fewshot.training.launch import leave
from fewshot.training.precision import make_accelerator
from recipes import load_recipe

accelerator = make_accelerator(cpu=True)
base, recipe = create_model("scan_128.anime"), load_recipe("quick")
drawings = StyleSet.from_folder(sample_folder("ink"), size=128, crop=recipe.crop)
job = Adaptation(drawings, base, recipe, None, Path(sys.argv[1]), accelerator)
seconds, exchanging = [], []
def timed(inner):
    def call(*given, **options):
        start = time.perf_counter()
        result = inner(*given, **options)
        exchanging.append(time.perf_counter() - start)
        return result
    return call
accelerator.reduce, accelerator.gather = timed(accelerator.reduce), timed(accelerator.gather)
for step in range(int(sys.argv[2])):
    if step == 2:
        exchanging.clear()
    start = time.perf_counter()
    job.trainer.step(step)
    seconds.append(time.perf_counter() - start)
if accelerator.is_main_process:
    print(json.dumps([seconds[2:], sum(exchanging) / len(seconds[2:])]))
leave(0)
"""


def run(processes: int, threads: int, folder: Any) -> tuple[list[float], float]:
    """Seconds of each step but the first two, and of a step's exchanges, waiting for the other included."""
    port = _free_port()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder), str(STEPS)],
            env=os.environ
            | (_environment(rank, processes, port, cpu=True) if processes > 1 else {})
            | {"OMP_NUM_THREADS": str(threads), "ACCELERATE_USE_CPU": "true"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    told = [worker.communicate(timeout=400)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * processes
    seconds, exchanging = json.loads(told[0])
    return seconds, exchanging


@pytest.mark.benchmark(group="adapt: a step in one process and in two, on two cores")
def test_two_processes_on_two_cores(benchmark: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interleaved three times; 1.3 times as fast as one core, at most 1.5 times as slow as one process."""
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    arrangements = {"1 x 2 threads": (1, 2), "2 x 1 thread": (2, 1), "1 x 1 thread": (1, 1)}
    seconds: dict[str, list[float]] = {name: [] for name in arrangements}
    exchanged = []
    for _ in range(3):
        for name, (processes, threads) in arrangements.items():
            steps, exchanging = run(processes, threads, tmp_path)
            seconds[name] += steps
            exchanged += [exchanging] if processes > 1 else []
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info |= {f"s/step {name}": round(value, 3) for name, value in medians.items()}
    benchmark.extra_info["s/step exchanging and waiting"] = round(statistics.median(exchanged), 3)
    gain = medians["1 x 1 thread"] / medians["2 x 1 thread"]
    cost = medians["2 x 1 thread"] / medians["1 x 2 threads"]
    benchmark.extra_info |= {"one core to two processes": round(gain, 2), "cost of sharing": round(cost, 2)}
    assert gain > 1.3
    assert cost < 1.5

"""Time of one training step: adaptation at 128 and 256 px, and base training's first stage.

Random weights cost the same time as trained ones. Every round is a whole step: the draw of a batch, the
generator's update, the discriminators' update. Numbers depend on the machine, so nothing is asserted but that
the step ran; compare columns of one table.
"""

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import build_networks
from base_models.registry import create_model
from eval.perceptual import load_perceptual
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_folder
from fewshot.training.adaptation import Adaptation
from fewshot.training.batches import Batch
from fewshot.training.global_batch import GlobalBatch
from fewshot.training.precision import make_accelerator
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.stage import StageTrainer
from fewshot.training.stage_networks import StageNetworks
from recipes import load_recipe

ROUNDS = 4


def measure(benchmark: Any, step: Callable[[int], Mapping[str, float | Tensor]], pictures: int) -> None:
    """Time `step`, after one untimed call, and note the pictures per second."""
    numbers = count()
    losses = benchmark.pedantic(lambda: step(next(numbers)), rounds=ROUNDS, warmup_rounds=1)
    assert all(torch.isfinite(torch.tensor(value)) for value in losses.values())
    benchmark.extra_info["pictures per second"] = round(pictures / benchmark.stats.stats.mean, 2)
    benchmark.extra_info["threads"] = torch.get_num_threads()


@pytest.mark.benchmark(group="adapt: one step")
@pytest.mark.parametrize("arch", ["scan_128", "scan_256"])
def test_step_of_adapt(benchmark: Any, arch: str, tmp_path: Path) -> None:
    """One step of the recipe `quick` on 24 shipped drawings, pseudo-photos, the recipe's batch."""
    base = create_model(arch)
    drawings = StyleSet.from_folder(sample_folder("ink"), size=base.netG_A.size)
    recipe = load_recipe("quick")
    job = Adaptation(drawings, base, recipe, None, tmp_path)
    benchmark.extra_info["batch"] = recipe.batch
    measure(benchmark, job.trainer.step, recipe.batch)


@pytest.mark.benchmark(group="base train: one step of scan_128's first stage (64 px)")
@pytest.mark.parametrize("features", [True, False], ids=["with features", "pixels only"])
def test_step_of_base_training(benchmark: Any, features: bool) -> None:
    """Both directions with all discriminators, with and without the losses on perceptual features."""
    weight = 1.0 if features else 0.0
    config = PretrainConfig(arch="scan_128", steps=(100, 100), lambda_content=weight, lambda_feature=weight)
    architecture = ARCHITECTURES[config.arch]
    perceptual = load_perceptual() if features else None
    nets, accelerator = build_networks(architecture), make_accelerator()
    networks = StageNetworks(*nets, 0, config, architecture, perceptual, accelerator.device)
    trainer = StageTrainer(networks, GlobalBatch(accelerator, config.batch))
    side = architecture.stages[0].size
    generator = torch.Generator().manual_seed(0)
    photos, drawings = (
        (torch.rand(config.batch, 3, side, side, generator=generator) * 2 - 1).contiguous(
            memory_format=torch.channels_last
        )
        for _ in range(2)
    )
    measure(benchmark, lambda number: trainer.step(Batch(photos, drawings), number, 0.0), config.batch)

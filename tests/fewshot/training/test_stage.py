"""One stage in training: what learns, what stays, and where gradients go."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import build_networks
from eval.perceptual import load_perceptual
from fewshot.training.batches import Batch
from fewshot.training.global_batch import GlobalBatch
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.stage import StageTrainer
from fewshot.training.stage_networks import StageNet, StageNetworks

ARCHITECTURE = ARCHITECTURES["scan_tiny"]


def pictures(seed: int, size: int = 32) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def trainer(index: int, **options: Any) -> StageTrainer:
    torch.manual_seed(0)
    config = PretrainConfig(arch="scan_tiny", batch=2, steps=(1, 1), **options)
    perceptual = load_perceptual() if config.lambda_feature or config.lambda_content else None
    netG_A, netG_B = build_networks(ARCHITECTURE)
    for net in (netG_A, netG_B):
        net.stages[:index].requires_grad_(False)
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    networks = StageNetworks(netG_A, netG_B, index, config, ARCHITECTURE, perceptual, accelerator.device)
    return StageTrainer(networks, GlobalBatch(accelerator, config.batch))


def weights(net: Any) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("index", [0, 1])
def test_a_step_moves_this_stage_and_the_discriminators_alone(index: int) -> None:
    stage = trainer(index, lambda_identity=1.0, lambda_penalty=1.0, augment=("shift", "cutout"))
    generator = stage.G["A"]._generator[0]  # type: ignore[index]
    before, seen = weights(generator), weights(stage.D)
    size = ARCHITECTURE.stages[index].size
    losses = stage.step(Batch(pictures(0, size), pictures(1, size)), 0, 0.0)
    after = weights(generator)
    moved = {int(name.split(".")[1]) for name in before if not torch.equal(before[name], after[name])}
    assert moved == {index}
    assert any(not torch.equal(seen[name], tensor) for name, tensor in weights(stage.D).items())
    expected = {"cycle", "idt", "gan", "feature", "content", "colour", "D", "F", "penalty"}
    assert set(losses) == {f"{name}_{side}" for name in expected for side in "AB"}
    assert all(torch.isfinite(torch.tensor(list(losses.values()))))


def test_losses_that_are_off_are_not_computed() -> None:
    stage = trainer(0, lambda_feature=0.0, lambda_content=0.0, lambda_colour=0.0)
    losses = stage.step(Batch(pictures(0, 16), pictures(1, 16)), 0, 0.0)
    assert set(losses) == {f"{name}_{side}" for name in ("cycle", "gan", "D") for side in "AB"}
    assert len(stage.F) == 0


def test_the_learning_rate_holds_and_then_falls_to_zero() -> None:
    stage = trainer(0, lambda_feature=0.0, lambda_content=0.0, lr=1e-3)
    rates = []
    for progress in (0.0, 0.5, 0.75, 1.0):
        stage.step(Batch(pictures(0, 16), pictures(1, 16)), 0, progress)
        rates.append(stage.optimizer_G.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 0])


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("fusion", [True, False])
def test_the_picture_always_gets_a_gradient(fusion: bool, skip: bool) -> None:
    torch.manual_seed(0)
    net = build_networks(replace(ARCHITECTURE, fusion=fusion, skip=skip))[0]
    net.stages[0].requires_grad_(False)
    x = pictures(0).requires_grad_(True)
    result = StageNet(net, 1)(x)
    assert torch.equal(result, net(x))
    result.square().mean().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in net.stages[0].parameters())


def test_training_lowers_the_cycle_loss() -> None:
    stage = trainer(0, lambda_feature=0.0, lambda_content=0.0, lr=2e-3)
    batch = Batch(pictures(0, 16), pictures(1, 16))
    cycles = [float(stage.step(batch, number, 0.0)["cycle_A"]) for number in range(80)]
    assert sum(cycles[-5:]) < 0.95 * sum(cycles[:5])


def test_a_restored_optimizer_runs_as_this_machine_does_it() -> None:
    one, other = (trainer(0, lambda_feature=0.0, lambda_content=0.0) for _ in range(2))
    batch = Batch(pictures(0, 16), pictures(1, 16))
    one.step(batch, 0, 0.0)
    state = one.state_dict()
    # As a GPU would have saved it.
    for group in state["optimizer_G"]["param_groups"]:
        group.update(lr=torch.tensor(0.5), capturable=True, fused=None)
    other.load_state_dict(state)
    (group,) = other.optimizer_G.param_groups
    assert (group["lr"], group["fused"], group["capturable"]) == (other.config.lr, True, False)
    other.step(batch, 1, 1.0)
    assert group["lr"] == 0

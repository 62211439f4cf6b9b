"""A step replayed as CUDA graphs is the step itself."""

import io

import pytest
import torch
from torch import Tensor

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import build_networks
from eval.perceptual import load_perceptual
from fewshot.training.batches import Batch
from fewshot.training.global_batch import GlobalBatch
from fewshot.training.graphs import own_stream
from fewshot.training.precision import make_accelerator
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.stage import StageTrainer
from fewshot.training.stage_networks import StageNetworks


def test_on_a_cpu_nothing_is_recorded_and_every_step_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    trainer = _trainer("cpu", PretrainConfig(arch="scan_tiny", steps=(9, 9), batch=2))
    assert (trainer.ready, trainer.can_graph) == (True, False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_replayed_steps_go_where_plain_ones_go(monkeypatch: pytest.MonkeyPatch, penalty: float) -> None:
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    config = PretrainConfig(arch="scan_tiny", steps=(9, 9), batch=2, lambda_penalty=penalty, lr=1e-3)
    ends = []
    for graphs in (True, False):
        with own_stream(torch.device("cuda")):
            trainer = _trainer("cuda", config)
            if not graphs:
                monkeypatch.setattr(StageTrainer, "can_graph", False)
            _train(trainer, range(12))
            assert trainer.ready
            assert (trainer.graphs is not None) == graphs
            ends.append(_weights(trainer))
    # The penalty draws its own numbers, elsewhere in a graph than out of it; Adam makes much of little.
    assert float((ends[0] - ends[1]).norm() / ends[1].norm()) < (0.05 if penalty else 0.01)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_the_rate_reaches_recorded_steps_after_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    config = PretrainConfig(arch="scan_tiny", steps=(9, 9), batch=2, lr=1e-3)
    with own_stream(torch.device("cuda")):
        first, second = _trainer("cuda", config), _trainer("cuda", config)
        _train(first, range(8))
        buffer = io.BytesIO()
        torch.save(first.state_dict(), buffer)
        buffer.seek(0)
        second.load_state_dict(torch.load(buffer, map_location="cpu", weights_only=True))
        _train(second, range(8, 16))
        assert second.graphs is not None
        before = _weights(second)
        _train(second, range(16, 18), progress=1.0)
        assert torch.equal(_weights(second), before)


def _train(trainer: StageTrainer, numbers: range, progress: float = 0.0) -> None:
    for number in numbers:
        rng = torch.Generator().manual_seed(number)
        real_A, real_B = (torch.rand(2, 3, 16, 16, generator=rng).to("cuda") for _ in range(2))
        trainer.step(Batch(real_A, real_B), number, progress)


def _weights(trainer: StageTrainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.G.parameters()]).clone()


def _trainer(device: str, config: PretrainConfig) -> StageTrainer:
    torch.manual_seed(0)
    sizes = ARCHITECTURES["scan_tiny"]
    netG_A, netG_B = (net.to(device) for net in build_networks(sizes))
    accelerator = make_accelerator("no", cpu=device == "cpu")
    perceptual = load_perceptual().to(device)
    networks = StageNetworks(netG_A, netG_B, 0, config, sizes, perceptual, accelerator.device)
    return StageTrainer(networks, GlobalBatch(accelerator, 2))

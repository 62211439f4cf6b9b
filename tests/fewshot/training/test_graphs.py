"""A step replayed as CUDA graphs is the step itself."""

import pytest
import torch

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import build_networks
from eval.perceptual import load_perceptual
from fewshot.training.batches import Batch
from fewshot.training.graphs import own_stream
from fewshot.training.precision import make_accelerator
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.stage import StageTrainer


def test_on_a_cpu_nothing_is_recorded_and_every_step_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    trainer = _trainer("cpu", PretrainConfig(arch="scan_tiny", steps=(9, 9), batch=2))
    assert (trainer.ready, trainer.can_graph) == (True, False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_replayed_steps_go_where_plain_ones_go(monkeypatch: pytest.MonkeyPatch, penalty: float) -> None:
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    config = PretrainConfig(arch="scan_tiny", steps=(9, 9), batch=2, lambda_penalty=penalty, lr=1e-3)
    device = torch.device("cuda")
    ends = []
    for graphs in (True, False):
        with own_stream(device):
            trainer = _trainer("cuda", config)
            trainer.can_graph = trainer.can_graph and graphs
            for number in range(30):
                rng = torch.Generator().manual_seed(number)
                real_A, real_B = (torch.rand(2, 3, 16, 16, generator=rng).to(device) for _ in range(2))
                losses = trainer.step(Batch(real_A, real_B), number, number / 30)
            ends.append({name: float(value) for name, value in losses.items()})
            assert trainer.ready
            assert (trainer.graphs is not None) == graphs
    # The penalty draws its own numbers, elsewhere in a graph than out of it.
    assert ends[0] == pytest.approx(ends[1], rel=0.3 if penalty else 0.02)


def _trainer(device: str, config: PretrainConfig) -> StageTrainer:
    torch.manual_seed(0)
    netG_A, netG_B = (net.to(device) for net in build_networks(ARCHITECTURES["scan_tiny"]))
    accelerator = make_accelerator("no", cpu=device == "cpu")
    perceptual = load_perceptual().to(device)
    return StageTrainer(netG_A, netG_B, 0, config, ARCHITECTURES["scan_tiny"], perceptual, accelerator)

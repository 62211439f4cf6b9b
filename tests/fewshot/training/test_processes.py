"""Base training in several processes: equal weights, shared batches, one clock, the losses of one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fewshot.training.launch import _environment, _free_port

SETUP = """
import json, sys
from pathlib import Path
import torch
import torch.distributed as dist
from fewshot.data.loader import Domain
from fewshot.data.packs import Pack
from fewshot.training.pretrain import Pretraining
from fewshot.training.launch import leave
from fewshot.training.precision import make_accelerator
from fewshot.training.pretrain_config import PretrainConfig
import numpy as np

torch.set_num_threads(1)

def domains(size):
    packs = []
    for seed in (1, 2):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 3, size, size), dtype=np.uint8)
        packs.append(Pack("p", tuple("abcdefgh"), pixels))
    return Domain(packs[:1]), Domain(packs[1:])

accelerator = make_accelerator("no", cpu=True)
photos = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
"""

# Run by each process: train, then compare every weight with the other process's, exactly.
EQUAL = """
config = PretrainConfig(arch="scan_tiny", batch=2, minutes=0.04, lambda_feature=0.0, lambda_content=0.0)
run = Pretraining(config, domains, photos, Path(sys.argv[1]), accelerator)
assert accelerator.num_processes == 2
drawn = []
batches = run.batches
run.batches = lambda *arguments: drawn.append(batches(*arguments)) or drawn[-1]
trainers = []
make = run._trainer
run._trainer = lambda index: trainers.append(make(index)) or trainers[-1]
run.run()

def pair(tensor):
    both = [torch.empty_like(tensor) for _ in range(2)]
    dist.all_gather(both, tensor.contiguous())
    return both

def equal(tensor):
    return torch.equal(*pair(tensor))

assert len(trainers) == 2
for trainer in trainers:
    for part in (trainer.G, trainer.D):
        assert all(equal(tensor.detach()) for tensor in part.state_dict().values())
    assert all(equal(tensor) for tensor in trainer.ema.shadow.values())
assert not equal(drawn[0][0].real_A)
position = run.position
assert equal(torch.tensor([position.total_seconds, position.step, position.pairs], dtype=torch.float64))
print("equal", int(run.position.pairs))
leave(0)
"""

# Everything that looks at pictures is on, and the pool is smaller than the batch.
LOSSES = """
config = PretrainConfig(
    arch="scan_tiny", batch=5, steps=(12, 8), pool=3, lr=2e-5, lambda_penalty=1.0, lambda_identity=0.5,
    hard=0.5, augment=("brightness", "shift", "cutout"),
)
told = []
run = Pretraining(
    config, domains, photos, Path(sys.argv[1]), accelerator, watch=lambda at, losses: told.append(losses)
)
make = run._trainer
def in_pieces(index):
    trainer = make(index)
    trainer.batch.at_once = int(sys.argv[2])
    return trainer
run._trainer = in_pieces
run.run()
print(json.dumps(told))
leave(0)
"""


def run(script: str, processes: int, *arguments: object) -> list[str]:
    """What each process prints."""
    port = _free_port()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SETUP + script, *map(str, arguments)],
            env=os.environ | (_environment(rank, processes, port, cpu=True) if processes > 1 else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    results = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * processes, results
    return [told for told, _ in results]


def test_both_processes_end_with_equal_weights(tmp_path: Path) -> None:
    first, second = run(EQUAL, 2, tmp_path / "run")
    assert first.split()[0] == "equal"
    assert first == second


def test_processes_and_pieces_of_a_batch_have_the_losses_of_one_process(tmp_path: Path) -> None:
    one, two, pieces = (
        json.loads(run(LOSSES, processes, tmp_path / str(number), at_once)[0])
        for number, (processes, at_once) in enumerate([(1, 5), (2, 5), (1, 2)])
    )
    assert len(one) == 20
    for whole, shared, piecewise in zip(one, two, pieces, strict=True):
        assert {"cycle_A", "idt_B", "gan_A", "feature_B", "content_A", "penalty_B", "F_A"} < set(whole)
        assert shared == pytest.approx(whole, rel=1e-4)
        assert piecewise == pytest.approx(whole, rel=1e-4)

"""Several processes: their weights stay equal, they see different pictures and agree on the time."""

import os
import subprocess
import sys
from pathlib import Path

from fewshot.training.launch import _environment, _free_port

# Run by each process: train, then compare every weight with the other process's, exactly.
SCRIPT = """
import sys
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
assert accelerator.num_processes == 2
config = PretrainConfig(arch="scan_tiny", batch=2, minutes=0.04, lambda_feature=0.0, lambda_content=0.0)
photos = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
run = Pretraining(config, domains, photos, Path(sys.argv[1]), accelerator)
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


def test_both_processes_end_with_equal_weights(tmp_path: Path) -> None:
    port = _free_port()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "run")],
            env=os.environ | _environment(rank, 2, port, cpu=True),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    results = [worker.communicate(timeout=60) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], results
    assert results[0][0].split()[0] == "equal"
    assert results[0][0] == results[1][0]

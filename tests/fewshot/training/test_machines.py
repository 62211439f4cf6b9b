"""Two machines: two agents of torchrun on loopback, each with one process, train one adapter."""

import json
import os
import subprocess
import sys
from pathlib import Path

from fewshot.adapters.adapter import read_adapter
from fewshot.samples import sample_folder
from fewshot.training.launch import _free_port

SHORT = ["steps=4", "eval_every=2", "batch=2", "warmup_steps=1", "patience=0", "by_parts=false"]


def test_two_agents_train_one_adapter(tmp_path: Path) -> None:
    port = _free_port()
    command = ["adapt", str(sample_folder("flat")), "--name", "two", "--base", "scan_tiny", *SHORT]
    agents = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"),
                *("--node-rank", str(rank), "--master-addr", "127.0.0.1", "--master-port", str(port)),
                *("-m", "fewshot.cli.main", *command),
            ],
            env=os.environ
            | {"FEWSHOT_HOME": str(tmp_path), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    results = [agent.communicate(timeout=150) for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], results
    run = tmp_path / "runs" / "two"
    assert read_adapter(run / "adapter")
    # Counted by asking every process, so that one that trained alone would show.
    assert json.loads((run / "metrics.json").read_text())["processes"] == 2
    assert [json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines()] == [2, 4]

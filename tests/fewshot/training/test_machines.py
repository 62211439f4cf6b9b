"""Two agents of torchrun on loopback, as two machines, train one adapter; and one process goes on alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fewshot.adapters.adapter import read_adapter
from fewshot.training.launch import _environment, _free_port

Drawings = Callable[..., Path]
SHORT = "steps=4 eval_every=2 batch=2 warmup_steps=1 patience=0 by_parts=false crop=center".split()


def test_two_agents_train_one_adapter(tmp_path: Path, drawings: Drawings) -> None:
    port = _free_port()
    photos = ["--photos", str(drawings(10, "riso"))]
    command = ["adapt", str(drawings(8)), "--name", "two", "--base", "scan_tiny", *photos, *SHORT]
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


def test_what_two_processes_began_one_ends_as_if_it_had_been_alone(
    tmp_path: Path, drawings: Drawings
) -> None:
    """Same pictures in the same order: the numbers of every look agree with those of one process."""
    script = (
        "from fewshot.training.adaptation import Adaptation as A; look = A._look\n"
        "def stop(self):\n    look(self)\n    if self.at.step == 2: import os; os.kill(os.getpid(), 15)\n"
        "A._look = stop\nfrom fewshot.cli.main import run; run()"
    )
    own = ["steps=6", "lr=1e-4", "lr_d=2e-5", "eval_every=2", *SHORT[2:]]
    photos = ["--photos", str(drawings(10, "riso"))]
    command = ["adapt", str(drawings(8)), "--base", "scan_tiny", *photos, *own]
    home = {"FEWSHOT_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    port = _free_port()
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", script, *command, "--name", "shared"],
            env=_environment(rank, 2, port, cpu=True) | home,
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=150)[1] for process in pair]
    assert [process.returncode for process in pair] == [130, 130], errors
    assert (tmp_path / "runs" / "shared" / "state" / "state.pt").exists()
    main = [sys.executable, "-m", "fewshot.cli.main", *command]
    for options in (["--name", "shared", "--resume"], ["--name", "alone"]):
        done = subprocess.run(
            [*main, *options], env=os.environ | home, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    logs = [(tmp_path / "runs" / name / "log.jsonl").read_text() for name in ("shared", "alone")]
    shared, alone = ([json.loads(line) for line in log.splitlines()] for log in logs)
    assert len(shared) == len(alone) == 3
    for some, other in zip(shared, alone, strict=True):
        del some["seconds"], other["seconds"]
        assert some == pytest.approx(other, rel=1e-3, abs=1e-5)

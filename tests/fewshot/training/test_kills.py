"""Killed at any moment and resumed, a run ends as if nothing had happened."""

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fewshot.adapters.adapter import read_adapter
from fewshot.samples import sample_folder

MOST_KILLS = 1 if "SOAK_COUNT" not in os.environ else 6
STEPS = ["steps=12", "eval_every=2", "batch=2", "warmup_steps=1", "patience=0", "by_parts=false"]


def adapt(*options: str) -> list[str]:
    command = [sys.executable, "-m", "fewshot.cli.main", "adapt", str(sample_folder("ink")), "--name", "mine"]
    return [*command, "--base", "scan_tiny", *STEPS, *options]


def weights(home: Path) -> dict[str, bytes]:
    state = read_adapter(home / "runs" / "mine" / "adapter").state
    return {name: value.tobytes() for name, value in state.items()}


def until_done(home: Path, rng: random.Random, longest: float) -> int:
    """Start, kill, resume, kill, until it has ended by itself; returns how often it was killed."""
    environment = os.environ | {"FEWSHOT_HOME": str(home), "OMP_NUM_THREADS": "1"}
    kills = 0
    while True:
        options = ["--resume"] if kills else []
        with subprocess.Popen(adapt(*options), env=environment, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            # The clock starts with the training: Python and torch take longer to load than it takes.
            for line in process.stderr:
                if line.startswith(b"adapting"):
                    break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0, longest))
            if process.poll() is None and kills < MOST_KILLS:
                process.kill()
                kills += 1
                # Twice in a row, before it has come to its first step.
                continue
            rest = process.stderr.read().decode()
        assert process.returncode == 0, rest
        return kills


@pytest.mark.soak(sample=1)
def test_killed_and_resumed_is_the_same_as_uninterrupted(tmp_path: Path, soak: Any) -> None:
    whole = tmp_path / "whole"
    start = time.monotonic()
    environment = os.environ | {"FEWSHOT_HOME": str(whole), "OMP_NUM_THREADS": "1"}
    subprocess.run(adapt(), env=environment, check=True, capture_output=True)
    longest = (time.monotonic() - start) / 3
    expected = weights(whole)
    killed = 0
    for seed in range(soak.seed, soak.seed + soak.count):
        home = tmp_path / str(seed)
        killed += until_done(home, random.Random(seed), longest)
        assert weights(home) == expected
        # Every step is in the log once.
        log = (home / "runs" / "mine" / "log.jsonl").read_text().splitlines()
        assert len(log) == 6
    assert killed >= soak.count

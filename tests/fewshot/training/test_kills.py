"""Killed at any moment and gone on with, a training ends as if nothing had happened."""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from fewshot.adapters.adapter import read_adapter

MOST_KILLS = 1 if "SOAK_COUNT" not in os.environ else 6
SHORT = "steps=12 eval_every=2 batch=2 warmup_steps=1 patience=0 by_parts=false crop=center".split()
TINY = ["--base", "scan_tiny"]


@dataclass(frozen=True)
class Case:
    """A command that trains."""

    words: Callable[[Path], Sequence[str]]
    """The command line behind `fewshot`, given the folder of its pictures."""
    again: Sequence[str]
    """What is added to go on."""
    begins: bytes
    """How the line starts that is printed when the training does."""
    result: Callable[[Path], Any]
    """What is left in `FEWSHOT_HOME`, to be the same."""
    only_from_a_state: bool = False
    """Whether going on is refused where there is no state yet."""


def adapt(pictures: Path) -> list[str]:
    photos = ["--photos", str(pictures / "flat-10")]
    return ["adapt", str(pictures / "ink-8"), "--name", "mine", *TINY, *photos, *SHORT]


def adapter(home: Path) -> Any:
    # Every step is in the log once.
    log = (home / "runs" / "mine" / "log.jsonl").read_text().splitlines()
    state = read_adapter(home / "runs" / "mine" / "adapter").state
    return {name: value.tobytes() for name, value in state.items()}, len(log)


def base_train(pictures: Path) -> list[str]:
    """Two stages, with a pool that is still filling when the second one begins."""
    sides = ["--photos", str(pictures / "photos"), "--drawings", str(pictures / "drawings")]
    often = ["--save-every", "0.0001", "--preview-every", "0.005", "--pool", "20", "--batch", "2"]
    return ["base", "train", "--name", "b", "--arch", "scan_tiny", "--steps", "12,9", *sides, *often]


def base(home: Path) -> Any:
    with safe_open(home / "base" / "scan_tiny.b.safetensors", "np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def select(pictures: Path) -> list[str]:
    photos = ["--photos", str(pictures / "flat-10")]
    study = ["--study", "s", "--folds", "2", "--rungs", "2", "--recipes", "quick", "--name", "mine", *photos]
    return ["select", str(pictures / "ink-8"), *TINY, *study, "steps=6", *SHORT[1:]]


def study(home: Path) -> Any:
    """Scores at each rung but for their times, the choice, and the winner's adapter."""
    record = json.loads((home / "studies" / "s" / "study.json").read_text())
    scores = [
        [
            [{k: v for k, v in score.items() if k not in ("seconds", "overhead")} for score in fold]
            for fold in one
        ]
        for one in (trial["folds"] for trial in record["trials"])
    ]
    return scores, record["recommended"], adapter(home)[0]


CASES = {
    "adapt": Case(adapt, ["--resume"], b"adapting", adapter),
    "base train": Case(base_train, ["--resume"], b"training", base, only_from_a_state=True),
    "select": Case(select, [], b"trial", study),
}


@pytest.fixture
def pictures(tmp_path: Path, drawings: Callable[..., Path]) -> Path:
    """Folders of made photos and drawings, and of a few samples."""
    rng = np.random.default_rng(0)
    for side in ("photos", "drawings"):
        (tmp_path / "pictures" / side).mkdir(parents=True)
        for number in range(6):
            coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((40, 40)).save(tmp_path / "pictures" / side / f"{number}.png")
    for folder in (drawings(8, "ink"), drawings(10, "flat")):
        folder.rename(tmp_path / "pictures" / folder.name)
    return tmp_path / "pictures"


def until_done(case: Case, words: Sequence[str], home: Path, rng: random.Random, longest: float) -> int:
    """Start, kill, resume, kill, until it has ended by itself; returns how often it was killed."""
    environment = os.environ | {"FEWSHOT_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "fewshot.cli.main", *words]
    kills = 0
    while True:
        # A state is there from the first step on; killed before it, a training has nothing to go on with.
        nothing = case.only_from_a_state and not any(home.rglob("state.pt"))
        options = case.again if kills and not nothing else []
        with subprocess.Popen([*command, *options], env=environment, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            # The clock starts with the training: Python and torch take longer to load than it takes.
            for line in process.stderr:
                if line.startswith(case.begins):
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
@pytest.mark.parametrize("name", CASES)
def test_killed_and_resumed_is_the_same_as_uninterrupted(
    name: str, tmp_path: Path, pictures: Path, soak: Any
) -> None:
    case = CASES[name]
    words = case.words(pictures)
    whole = tmp_path / "whole"
    start = time.monotonic()
    environment = os.environ | {"FEWSHOT_HOME": str(whole), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "fewshot.cli.main", *words]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    longest = (time.monotonic() - start) / 3
    expected = case.result(whole)
    killed = 0
    for seed in range(soak.seed, soak.seed + soak.count):
        home = tmp_path / str(seed)
        killed += until_done(case, words, home, random.Random(seed), longest)
        assert case.result(home) == expected
    assert killed >= soak.count

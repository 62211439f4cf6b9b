"""Tiny studies: scan_tiny, a few steps, the shipped sample drawings."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

SHORT = "steps=4 eval_every=2 batch=2 warmup_steps=1 by_parts=false crop=center patience=0".split()
"""A training of seconds: two looks, so two rungs."""


@pytest.fixture
def command(drawings: Callable[..., Path]) -> Callable[..., list[str]]:
    """`fewshot select FOLDER ...` on scan_tiny with short trainings."""

    def make(folder: Path, *arguments: str, short: Sequence[str] = SHORT) -> list[str]:
        program = [sys.executable, "-m", "fewshot.cli.main", "select", str(folder), *short]
        photos = ["--photos", str(drawings(10, "flat"))]
        return [*program, "--base", "scan_tiny", "--folds", "2", *photos, *arguments]

    return make


@pytest.fixture
def start(fewshot_home: Path) -> Callable[..., subprocess.Popen[str]]:
    """Run a command as a process of its own, on one core."""

    def run(words: Sequence[str], home: str = str(fewshot_home)) -> subprocess.Popen[str]:
        environment = os.environ | {"FEWSHOT_HOME": home, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return run

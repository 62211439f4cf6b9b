"""Trainings stay within the memory they are given, and say so when it does not suffice."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from fewshot.errors import BadInputError, UsageError
from fewshot.samples import sample_folder
from fewshot.sizes import format_bytes, parse_bytes
from fewshot.training.global_batch import GlobalBatch
from fewshot.training.memory import fit_memory, kept_bytes

# Peak of the process itself, read at its end; getrusage would tell that of whoever started it, if larger.
ADAPT = """
from pathlib import Path
from fewshot.cli.main import run
try:
    run()
finally:
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM")))
"""


def adapt(home: Path, *options: str, before: str = "") -> subprocess.CompletedProcess[str]:
    command = ["adapt", str(sample_folder("flat")), "--name", "small", "steps=1", "eval_every=1"]
    return subprocess.run(
        [sys.executable, "-c", before + ADAPT, *command, *options],
        capture_output=True,
        text=True,
        timeout=300,
        env={"FEWSHOT_HOME": str(home), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4e9), ("1.5 GiB", 1.5 * 2**30), ("900mb", 9e8), ("2e", 0), ("4", 0), ("", 0)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: float) -> None:
    if size:
        assert parse_bytes(text) == size
        return
    with pytest.raises(UsageError, match="is no size of memory"):
        parse_bytes(text)


def test_sizes_are_told_in_the_unit_they_are_of() -> None:
    assert [format_bytes(n) for n in (8.5e8, 2.6e9, -3e6)] == ["850 MB", "2.6 GB", "-3 MB"]


def test_what_backpropagation_keeps_is_counted_once_and_without_weights() -> None:
    first, second = nn.Linear(1000, 10, bias=False), nn.Linear(10, 10, bias=False)
    x = torch.rand(64, 1000)

    def compute() -> torch.Tensor:
        hidden = first(x).relu()
        return second(hidden).square().sum() + hidden.sum()

    # The input, the hidden layer (kept by three operations) and the output.
    assert kept_bytes(compute, (first, second)) == 4 * (64 * 1000 + 64 * 10 + 64 * 10)


def test_a_batch_is_computed_in_as_many_pieces_as_the_limit_asks_for() -> None:
    net, accelerator = nn.Linear(500, 500), Accelerator(cpu=True)
    x = torch.rand(1000, 500)

    def compute() -> torch.Tensor:
        return net(net(x)).square().sum()

    each = kept_bytes(compute, [net])
    batch = GlobalBatch(accelerator, 8)
    fit_memory(batch, compute, [net], None)
    assert not batch.in_pieces
    # The limit counts what this process has already.
    has = float(psutil.Process().memory_info().rss)
    fit_memory(batch, compute, [net], has + 6.5 * each)
    assert 1 <= batch.at_once <= 4
    with pytest.raises(BadInputError, match=r"one picture at a time .* --memory-limit") as caught:
        fit_memory(batch, compute, [net], has / 2)
    assert "--memory-limit" in caught.value.hint


def test_a_training_keeps_to_its_limit(tmp_path: Path) -> None:
    """A batch of 12 at 128 px takes 2.2 GB at once."""
    limit = 1.8e9
    done = adapt(tmp_path, "batch=12", "--memory-limit", "1.8GB")
    assert done.returncode == 0, done.stderr
    assert "each batch is computed in pieces" in done.stderr
    assert float(done.stdout.splitlines()[-1]) < limit


def test_a_limit_that_no_picture_fits_into_is_told(tmp_path: Path) -> None:
    done = adapt(tmp_path, "--memory-limit", "200MB", "--base", "scan_tiny")
    assert done.returncode == 3
    assert "one picture at a time takes" in done.stderr
    assert "--memory-limit" in done.stderr.splitlines()[-1]


def test_memory_that_runs_out_ends_in_a_message(tmp_path: Path) -> None:
    """The system refuses more: what was free a moment before is not there any more."""
    most = 3 * 10**9
    before = f"import resource; resource.setrlimit(resource.RLIMIT_DATA, ({most}, {most}))\n"
    done = adapt(tmp_path, "batch=64", before=before)
    assert done.returncode == 3, done.stderr
    assert "not enough memory" in done.stderr
    assert "--memory-limit" in done.stderr
    assert "Traceback" not in done.stderr

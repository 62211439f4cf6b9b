"""Several processes of one command: who has which device, who ends whom, what is refused."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fewshot.errors import UsageError
from fewshot.home import home
from fewshot.samples import sample_folder
from fewshot.training.launch import SHARING, _environment, _exit_code, check_share, own_gpu, work_alone

GROUP = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": "1"}


def test_a_process_alone_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GROUP:
        monkeypatch.delenv(name, raising=False)
    assert work_alone() == 0


@pytest.mark.parametrize(("visible", "own"), [(None, "1"), ("", ""), ("4,6", "6"), ("5", "5")])
def test_a_process_of_a_launcher_keeps_the_gpu_it_would_have_had(
    visible: str | None, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in GROUP.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(SHARING, "1")
    if visible is None:
        # Set first, so that it is taken away again at the end.
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "9")
        del os.environ["CUDA_VISIBLE_DEVICES"]
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert work_alone() == 3
    assert os.environ["CUDA_VISIBLE_DEVICES"] == own
    assert not set(GROUP) & set(os.environ)


def test_workers_take_gpus_of_those_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert [own_gpu(number) for number in range(3)] == ["2", "3", "2"]


@pytest.mark.parametrize(
    ("codes", "killed", "asked", "expected"),
    [
        ([0, 0], False, False, 0),
        ([1, 6], False, False, 6),
        ([1, -9], True, False, 3),
        ([2, 2], False, False, 2),
        ([1, 1], False, False, 1),
        ([130, 130], False, True, 130),
        ([-15, -15], False, True, 130),
    ],
)
def test_the_exit_code_is_of_what_failed_first(
    codes: list[int], killed: bool, asked: bool, expected: int
) -> None:
    assert _exit_code(codes, killed=killed, asked=asked) == expected


@pytest.mark.parametrize(("chosen", "threads"), [("", "1 3"), ("2", "2 2")])
def test_the_last_one_takes_the_threads_of_all(
    chosen: str, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2})
    monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    code = (
        "import torch; from fewshot.training.launch import take_all; "
        "print(torch.get_num_threads(), end=' '); take_all(); print(torch.get_num_threads())"
    )
    environment = _environment(0, 2, 1, cpu=True)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == threads, done.stderr


def test_more_processes_than_pictures_are_refused_with_both_ways_out(cli: Any) -> None:
    with pytest.raises(UsageError, match="a batch of 4 cannot be shared by 5 processes") as caught:
        check_share(4, 5)
    assert "--processes 4" in caught.value.hint
    start = time.monotonic()
    result = cli("adapt", str(sample_folder("ink")), "--name", "mine", "--processes", "5")
    assert result.returncode == 2
    assert "batch=5" in result.stderr
    # Before anything is loaded or started.
    assert time.monotonic() - start < 15


def test_helpers_end_where_the_one_they_help_fails(fewshot_home: Path) -> None:
    """The name is taken, which only the first one asks for; the others would train for hours."""
    taken = home() / "runs" / "mine" / "adapter"
    taken.mkdir(parents=True)
    command = ["select", str(sample_folder("ink")), "--name", "mine", "--study", "s", "--processes", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "fewshot.cli.main", *command, "--base", "scan_tiny", "steps=100000"],
        env=os.environ | {"FEWSHOT_HOME": str(fewshot_home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert "there is a style" in done.stderr
    assert "out of memory" not in done.stderr
    assert "Traceback" not in done.stderr

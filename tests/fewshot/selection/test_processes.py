"""Studies in processes of their own: killed and gone on with, and shared by two."""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fewshot.home import home

Drawings = Callable[..., Path]
Command = Callable[..., list[str]]
Start = Callable[..., "subprocess.Popen[str]"]

_JOB = re.compile(r"^trial (\d+) of \d+, .*: fold (\d+) of \d+$", re.MULTILINE)


def jobs(stderr: str) -> Counter[tuple[int, int]]:
    """Trainings that a process said it did, by trial and fold from 1."""
    return Counter((int(trial), int(fold)) for trial, fold in _JOB.findall(stderr))


def ended(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Output of a process that has to end well."""
    out, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out, err


@pytest.mark.slow
def test_a_killed_study_goes_on_inside_the_trial_it_was_at(
    drawings: Drawings, command: Command, start: Start
) -> None:
    words = command(
        *(drawings(6), "--exhaustive", "--recipes", "quick", "--study", "s", "--no-retrain"),
        *("--format", "json"),
        short="steps=12 eval_every=2 batch=2 warmup_steps=1 by_parts=false crop=center patience=0".split(),
    )
    fold = home() / "studies" / "s" / "trials" / "0000" / "fold-1"
    with start(words) as process:
        deadline = time.monotonic() + 400
        while not (fold / "state" / "state.before.pt").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        _, err = process.communicate()
    assert jobs(err) == {(1, 1): 1, (1, 2): 1}
    first_look = (fold / "samples" / "step-000000.png").stat().st_mtime_ns
    out, err = ended(start(words))
    # The first fold was scored before, and the second goes on from its state rather than from step 0.
    assert jobs(err) == {(1, 2): 1}
    assert (fold / "samples" / "step-000000.png").stat().st_mtime_ns == first_look
    lines = [json.loads(line)["step"] for line in (fold / "log.jsonl").read_text().splitlines()]
    assert lines == [2, 4, 6, 8, 10, 12]
    (row,) = json.loads(out)
    assert (row["recipe"], row["state"], row["steps"]) == ("quick", "complete", 12)


@pytest.mark.slow
def test_two_processes_share_a_study_and_do_nothing_twice(
    drawings: Drawings,
    command: Command,
    start: Start,
    postgres: str,
    tmp_path: Path,
) -> None:
    """Each has a home of its own, as two machines have; with a journal, see the next test."""
    words = command(
        *(drawings(5), "--exhaustive", "--recipes", "quick", "--knob", "rank=2,4", "--study", "s"),
        *("--no-retrain", "--format", "json"),
    )
    words += ["--db", postgres]
    homes = [tmp_path / "first", tmp_path / "second"]
    outputs = [ended(process) for process in [start(words, home=str(folder)) for folder in homes]]
    done = jobs(outputs[0][1]) + jobs(outputs[1][1])
    assert done == {(trial, fold): 1 for trial in (1, 2, 3) for fold in (1, 2)}
    assert outputs[0][0].replace(str(homes[0]), "") == outputs[1][0].replace(str(homes[1]), "")
    for folder in homes:
        record = json.loads((folder / "studies" / "s" / "study.json").read_text())
        assert [trial["state"] for trial in record["trials"]] == ["complete"] * 3
        # Pictures of the trials that the other one trained are in its report too.
        report = (folder / "studies" / "s" / "report.html").read_text()
        assert report.count("data:image/webp") == (2 + 3) * 6


@pytest.mark.slow
def test_processes_of_one_machine_share_a_study_and_tell_of_every_training(
    drawings: Drawings, command: Command, start: Start
) -> None:
    words = command(
        *(drawings(5), "--exhaustive", "--recipes", "quick", "--knob", "rank=2,4", "--study", "s"),
        *("--name", "mine", "--processes", "2", "--track", "tensorboard", "--format", "json"),
    )
    out, err = ended(start(words))
    rows = json.loads(out)
    assert [row["state"] for row in rows] == ["complete"] * 3
    assert err.count("recommended: ") == 1
    assert (home() / "runs" / "mine" / "adapter").is_dir()
    # The other one took a share: not every training was this one's.
    assert sum(jobs(err).values()) < 6
    for run in [home() / "runs" / "mine", *(home() / "studies" / "s" / "trials").glob("*/fold-*")]:
        board = EventAccumulator(str(next(run.rglob("events.out*")).parent))
        board.Reload()
        assert [event.step for event in board.Scalars("style")] == [2, 4]
        told = {"fold/style", "fold/content"} <= set(board.Tags()["scalars"])
        assert told == (run.name != "mine")


def test_processes_of_a_launcher_work_each_by_itself(drawings: Drawings, command: Command) -> None:
    """Under torchrun, as under --processes, no training waits for another process."""
    words = command(
        *(drawings(5), "--exhaustive", "--recipes", "quick", "--study", "s"),
        *("--no-retrain", "--format", "json"),
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    done = subprocess.run(
        [*launcher, *words[1:]],
        env=os.environ | {"FEWSHOT_HOME": str(home()), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in json.loads(done.stdout)] == ["complete"]
    assert jobs(done.stderr) == {(1, 1): 1, (1, 2): 1}

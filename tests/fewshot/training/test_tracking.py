"""What trackers were told, read back from what they wrote."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto import wandb_internal_pb2

from fewshot.errors import UsageError
from fewshot.samples import sample_folder
from fewshot.training.tracking import check_trackers

SHORT = "steps=6 warmup_steps=1 eval_every=2 batch=2 patience=0 by_parts=false crop=center".split()
BLOCK, HEAD = 32768, 7


@pytest.fixture
def pictures(drawings: Callable[..., Path]) -> list[str]:
    """What to learn from, as the command line takes it."""
    return [str(drawings(8, "ink")), "--photos", str(drawings(10, "flat"))]


def adapt(home: Path, pictures: Sequence[str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fewshot.cli.main", "adapt", *pictures, "--name", "mine"]
    # As in a shell where nobody has set anything up, and where no server can be reached.
    plain = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    plain |= {"FEWSHOT_HOME": str(home), "HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "--base", "scan_tiny", *SHORT, *options],
        env=plain, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def records(file: Path) -> Iterator[Any]:
    """Records of wandb's own file: LevelDB's log format behind a head of seven bytes."""
    data, place, part = file.read_bytes(), HEAD, b""
    assert data[:4] == b":W&B"
    while place + HEAD <= len(data):
        left = BLOCK - place % BLOCK
        if left < HEAD:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + HEAD])
        part += data[place + HEAD : place + HEAD + length]
        place += HEAD + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            part = b""
            yield record


def told(folder: Path) -> dict[str, Any]:
    """Identity, settings and numbers of one offline run."""
    (file,) = folder.glob("run-*.wandb")
    found: dict[str, Any] = {"config": {}, "history": [], "id": ""}
    for record in records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found["id"], found["name"] = record.run.run_id, record.run.display_name
        if kind == "config" or kind == "run":
            update = record.config.update if kind == "config" else record.run.config.update
            found["config"] |= {item.key: json.loads(item.value_json) for item in update}
        if kind == "history":
            row = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            found["history"].append({key: json.loads(value) for key, value in row.items()})
    return found


def test_a_run_that_is_stopped_and_resumed_is_told_as_one(tmp_path: Path, pictures: list[str]) -> None:
    script = (
        "import sys; from fewshot.training.adaptation import Adaptation as A; look = A._look\n"
        "def stop(self):\n    look(self)\n    if self.at.step == 4: import os; os.kill(os.getpid(), 15)\n"
        "A._look = stop\nfrom fewshot.cli.main import run; run()"
    )
    plain = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    plain |= {"FEWSHOT_HOME": str(tmp_path), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    both = ("--track", "wandb", "--track", "tensorboard")
    command = ["adapt", *pictures, "--name", "mine", "--base", "scan_tiny", *SHORT, *both]
    stopped = subprocess.run(
        [sys.executable, "-c", script, *command], env=plain, capture_output=True, text=True, check=False
    )
    assert stopped.returncode == 130, stopped.stderr
    done = adapt(tmp_path, pictures, *both, "--resume")
    assert done.returncode == 0, done.stderr
    assert "wandb sync" in done.stderr
    run = tmp_path / "runs" / "mine"
    folders = sorted((run / "wandb").glob("offline-run-*"))
    first, second = (told(folder) for folder in folders)
    assert first["id"] == second["id"]
    assert first["name"] == "mine"
    assert (first["config"]["method"], first["config"]["steps"]) == ("lora", 6)
    assert second["config"]["step at start"] == 5
    rows = [row for part in (first, second) for row in part["history"] if "score" in row]
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [row["_step"] for row in rows] == [line["step"] for line in log] == [2, 4, 6]
    for row, line in zip(rows, log, strict=True):
        assert row["style"] == pytest.approx(line["style"])
    # A preview for every look, the base's too.
    pictures = [row["previews/filenames"] for row in first["history"] if "previews/filenames" in row]
    assert len(pictures) == 3
    assert (folders[0] / "files" / pictures[-1][0]).exists()
    # Nothing else is collected: no list of what is installed, no output.
    assert {path.name for path in (folders[0] / "files").iterdir()} == {"media"}
    board = EventAccumulator(str(next(run.rglob("events.out*")).parent), size_guidance={"images": 0})
    board.Reload()
    assert sorted({event.step for event in board.Scalars("style")}) == [2, 4, 6]
    assert len(board.Images("previews")) == 4


def test_unknown_trackers_are_refused(tmp_path: Path, pictures: list[str]) -> None:
    assert check_trackers(["wandb", "wandb"]) == ("wandb",)
    with pytest.raises(UsageError, match="mlflow"):
        check_trackers(["mlflow"])
    refused = adapt(tmp_path, pictures, "--track", "mlflow")
    assert refused.returncode == 2
    assert not (tmp_path / "runs").exists()


def test_a_base_in_training_is_tracked_by_the_pairs_it_has_seen(tmp_path: Path) -> None:
    photos, drawings = str(sample_folder("flat")), str(sample_folder("ink"))
    plain = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    plain |= {"FEWSHOT_HOME": str(tmp_path), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "fewshot.cli.main", "base", "train", "--name", "t"]
    command += [
        "--arch",
        "scan_tiny",
        "--photos",
        photos,
        "--drawings",
        drawings,
        "--steps",
        "3,2",
        "--batch",
        "2",
        "--cpu",
    ]
    done = subprocess.run(
        [*command, "--track", "wandb"], env=plain, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs" / "scan_tiny.t" / "wandb").glob("offline-run-*")
    found = told(folder)
    assert found["config"]["arch"] == "scan_tiny"
    rows = [row for row in found["history"] if "cycle_A" in row]
    assert [(row["_step"], row["stage"]) for row in rows] == [(2, 1), (8, 2)]
    assert sum("previews/filenames" in row for row in found["history"]) == 2

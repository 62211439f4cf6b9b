"""`fewshot base` as a user runs it: train, stop, resume, list, in one process and in two."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from base_models import create_model
from fewshot.cli.main import app
from fewshot.data.archives import list_names, read_members, tar_bytes
from fewshot.training.state import load_state

Tar = Callable[..., Path]


@pytest.fixture
def command(tmp_path: Path, tar: Tar) -> list[str]:
    """`base train` on generated pictures in two archives, without perceptual losses."""
    photos, drawings = tar(tmp_path / "photos.tar", 6), tar(tmp_path / "drawings.tar", 7)
    sources = ["--photos", str(photos), "--drawings", str(drawings)]
    settings = [
        "--arch",
        "scan_tiny",
        "--name",
        "t",
        "--batch",
        "2",
        "--lambda-feature",
        "0",
        "--lambda-content",
        "0",
    ]
    return ["base", "train", *sources, *settings]


def fewshot(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def start(command: list[str]) -> subprocess.Popen[str]:
    """Run it as a process and wait until it trains."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fewshot.cli.main", *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "step 1," in line:
            return process
    raise AssertionError(f"ended with {process.wait()} before it trained")


def test_a_base_is_trained_listed_and_loaded(command: list[str], fewshot_home: Path) -> None:
    sources = ["--photos", f"{command[3]}:0.5", "--licence", "made here, CC0"]
    code, out, err = fewshot(*command, *sources, "--steps", "2,2", "--precision", "no")
    assert code == 0, err
    path = fewshot_home / "base" / "scan_tiny.t.safetensors"
    assert out.split() == [str(path)]
    code, out, _ = fewshot("base", "ls", "--format", "json")
    rows = {row["name"]: row for row in json.loads(out)}
    row = rows["scan_tiny.t"]
    model = create_model(path)
    assert (code, row["px"], row["parameters"], row["licence"]) == (0, 32, 8965, "made here, CC0")
    assert model.sha256.startswith(row["sha256"])
    assert rows["scan_paper_256"]["path"] is None
    data = model.header["training"]["data"]
    assert [(d["side"], d["name"], d["pictures"]) for d in data] == [
        ("photos", "photos.tar", 6),
        ("photos", "photos.tar", 6),
        ("drawings", "drawings.tar", 7),
    ]
    assert "made here, CC0" in path.with_suffix(".md").read_text()
    assert str(path) in fewshot("base", "ls", "--format", "path")[1].splitlines()
    code, _, err = fewshot(*command, "--steps", "2,2")
    assert (code, "--resume" in err) == (5, True)


def test_held_out_pictures_are_never_read(tmp_path: Path, tar: Tar, command: list[str]) -> None:
    held = tmp_path / "heldout_faces"
    held.mkdir()
    archive = tar(held / "photos.tar", 3)
    code, _, err = fewshot(*command, "--photos", str(archive), "--steps", "1,1")
    assert code == 3
    assert "held out" in err
    help_text = " ".join(fewshot("base", "train", "--help")[1].split())
    for word in ("Held-out pictures are never read", "heldout", "03300-03399"):
        assert word in help_text


def test_ctrl_c_saves_writes_the_base_and_leaves_with_130(command: list[str], fewshot_home: Path) -> None:
    process = start([*command, "--minutes", "5"])
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, ""), err
    assert "--resume" in err
    assert "Traceback" not in err
    assert create_model(fewshot_home / "base" / "scan_tiny.t.safetensors").netG_A.size == 16
    state = load_state(fewshot_home / "runs" / "scan_tiny.t" / "state" / "state.pt")
    assert state is not None
    pairs = state["position"]["pairs"]
    code, _, err = fewshot(*command, "--minutes", "0.001", "--resume")
    assert code == 0, err
    model = create_model(fewshot_home / "base" / "scan_tiny.t.safetensors")
    assert model.header["training"]["pairs"] >= pairs


def test_one_file_is_trained_on_in_slices(tmp_path: Path, tar: Tar, fewshot_home: Path) -> None:
    groups, files = [], {}
    for name, count, px in (("photos/a", 5, 40), ("drawings/b", 6, 40), ("drawings/soft", 4, 20)):
        source = tar(tmp_path / f"{Path(name).name}.tar", count, px)
        for member, data in read_members(source, list(list_names(source))):
            files[f"{name}/{Path(member).name}"] = data
        groups.append({"name": name, "weight": 1.0, "count": count, "px": px})
    pack = tmp_path / "pack.tar"
    pack.write_bytes(tar_bytes({"pack.json": json.dumps({"size": 40, "groups": groups}).encode(), **files}))
    off = ["--lambda-feature", "0", "--lambda-content", "0", "--batch", "2"]
    command = ["base", "train", "--pack", str(pack), "--arch", "scan_tiny", "--name", "t", *off]
    command += ["--steps", "1,2", "--slice-minutes", "0.00001"]
    pairs = []
    for number in range(4):
        code, out, err = fewshot(*command, *(["--resume"] if number else []))
        assert code == 0, err
        pairs.append(create_model(out.strip()).header["training"]["pairs"])
    assert pairs == [2, 4, 6, 6]
    model = create_model(fewshot_home / "base" / "scan_tiny.t.safetensors")
    assert (model.netG_A.size, model.netD_B is None) == (32, False)
    used = {d["name"]: d["pictures"] for d in model.header["training"]["data"]}
    assert used == {"pack.tar/photos/a": 5, "pack.tar/drawings/b": 6, "pack.tar/drawings/soft": 4}
    # Pictures of 20 px are too soft for the second stage, which reads 36 px.
    assert len(list((fewshot_home / "cache" / "packs").glob("pack-18-*"))) == 3
    assert len(list((fewshot_home / "cache" / "packs").glob("pack-36-*"))) == 2
    code, _, err = fewshot(*command, "--photos", str(pack))
    assert (code, "--pack holds both sides" in err) == (2, True)
    code, _, err = fewshot("base", "train", "--name", "t", "--steps", "1,1")
    assert (code, "--pack" in err) == (2, True)


def test_damage_is_an_integrity_error(command: list[str], fewshot_home: Path) -> None:
    assert fewshot(*command, "--steps", "1,1")[0] == 0
    path = fewshot_home / "runs" / "scan_tiny.t" / "state" / "state.pt"
    for file in path.parent.glob("state*.pt"):
        file.write_bytes(file.read_bytes()[:-1])
    code, _, err = fewshot(*command, "--steps", "1,1", "--resume")
    assert code == 6
    assert "damaged, as the checksum says" in err
    assert "hint: " in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--minutes", "0"], 2, "neither steps nor minutes"),
        (["--steps", "3"], 2, "steps has 1 numbers"),
        (["--steps", "3,x"], 2, "--steps '3,x'"),
        (["--steps", "1,1", "--name", "a/b"], 2, "contains '/'"),
        (["--steps", "1,1", "--arch", "scan_1"], 4, "scan_1"),
        (["--steps", "1,1", "--photos", "nowhere"], 4, "nowhere does not exist"),
        (["--steps", "1,1", "--resume"], 4, "no run to resume"),
        (["--steps", "1,1", "--augment", "spin"], 2, "spin"),
        (["--steps", "1,1", "--cpu", "--precision", "fp16"], 2, "needs a GPU"),
    ],
)
def test_what_does_not_fit_is_named(command: list[str], arguments: list[str], code: int, words: str) -> None:
    found, _, err = fewshot(*command, *arguments)
    assert found == code, err
    assert words in err
    assert "hint: " in err


def test_two_processes_stop_together_with_pictures_of_their_own(
    command: list[str], fewshot_home: Path
) -> None:
    process = start([*command, "--minutes", "5", "--processes", "2", "--cpu"])
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.count("--resume goes on") == 1
    model = create_model(fewshot_home / "base" / "scan_tiny.t.safetensors")
    assert model.header["training"]["processes"] == 2
    trained = model.header["training"]
    assert trained["pairs"] % 2 == 0
    folder = fewshot_home / "runs" / "scan_tiny.t" / "state"
    pools = [load_state(folder / f"pool-{rank}.pt") for rank in (0, 1)]
    assert pools[0] is not None
    assert pools[1] is not None
    one, other = pools[0]["A"]["images"], pools[1]["A"]["images"]
    assert one.shape == other.shape
    assert not torch.equal(one, other)
    # One process goes on with what both had.
    code, _, err = fewshot(*command, "--minutes", str(trained["minutes"] + 0.02), "--resume")
    assert code == 0, err
    again = create_model(fewshot_home / "base" / "scan_tiny.t.safetensors").header["training"]
    assert again["processes"] == 1
    assert again["pairs"] > trained["pairs"]


def test_a_failure_of_two_processes_is_told_once(cli: Any, command: list[str], fewshot_home: Path) -> None:
    result = cli(*command, "--steps", "1,1", "--processes", "2", "--cpu", "--resume")
    assert result.returncode == 4
    assert result.stderr.count("there is no run to resume") == 1

"""`fewshot styles`: what lies under the home folder, whatever its state."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType

from fewshot.adapters.files import WEIGHTS
from fewshot.home import run_folder
from fewshot.training.runs import state_file

Cli = Callable[..., CompletedProcess[str]]


def test_styles_are_told_with_their_state(cli: Cli, small: ModuleType, tmp_path: Path) -> None:
    template = small.write_template(run_folder("ann") / "adapter")
    small.write_variant(template, run_folder("torn") / "adapter", 1)
    weights = run_folder("torn") / "adapter" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1])
    small.write_variant(template, run_folder("gone") / "adapter", 2, consent={"status": "withdrawn"})
    state = state_file(run_folder("half"))
    state.parent.mkdir(parents=True)
    state.write_bytes(b"of a run that goes on")
    run_folder("empty").mkdir()

    listed = cli("styles", "--format", "json")
    assert listed.returncode == 0, listed.stderr
    rows = {row["style"]: row for row in json.loads(listed.stdout)}
    states = {name: row["state"] for name, row in rows.items()}
    assert states == {"ann": "ready", "gone": "refused", "half": "unfinished", "torn": "damaged"}
    assert (rows["ann"]["drawings"], rows["ann"]["base"]) == (2, "scan_tiny")
    assert (rows["ann"]["licence"], rows["ann"]["consent"]["status"]) == ("CC0-1.0", "granted")
    assert WEIGHTS in rows["torn"]["problem"]
    table = cli("styles", COLUMNS="80").stdout
    assert all(name in table for name in rows)
    assert max(map(len, table.splitlines())) <= 80
    paths = cli("styles", "--format", "path")
    assert paths.stdout.splitlines() == [str(run_folder("ann") / "adapter")]


def test_a_style_that_the_catalogue_refuses_is_not_ready(cli: Cli, small: ModuleType) -> None:
    """What is withdrawn there is refused wherever its weights lie."""
    adapter = run_folder("ann") / "adapter"
    small.write_template(adapter)
    assert cli("catalog", "add", str(adapter), "--name", "ann").returncode == 0
    assert json.loads(cli("styles", "--format", "json").stdout)[0]["state"] == "ready"
    assert cli("catalog", "consent", "ann", "withdrawn").returncode == 0
    (row,) = json.loads(cli("styles", "--format", "json").stdout)
    assert (row["state"], "withdrawn" in row["problem"]) == ("refused", True)
    assert cli("styles", "--format", "path").stdout == ""


def test_where_nothing_was_learned_it_says_how(cli: Cli) -> None:
    told = cli("styles")
    assert told.returncode == 0
    assert "fewshot adapt" in told.stderr

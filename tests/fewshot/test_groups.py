"""`fewshot eval groups`: a table of groups, and copies that can be adapted to."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fewshot.cli.main import app
from fewshot.samples import sample_folder

INK, FLAT = sample_folder("ink"), sample_folder("flat")


def groups(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["eval", "groups", *map(str, arguments)])


def rows(*arguments: str | Path) -> list[dict[str, Any]]:
    result = groups(*arguments, "--format", "json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert isinstance(found, list)
    return found


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Fourteen drawings in ink and ten in flat colour, and one of them twice."""
    folder = tmp_path / "drawings"
    folder.mkdir()
    for hand, source, n in (("ink", INK, 14), ("flat", FLAT, 10)):
        for file in sorted(source.glob("*.webp"))[:n]:
            shutil.copy(file, folder / f"{hand}-{file.name}")
    shutil.copy(folder / "ink-000.webp", folder / "twin.webp")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_two_hands_are_two_groups_in_folders_of_their_names(mixed: Path, tmp_path: Path) -> None:
    before, out = contents(mixed), tmp_path / "made" / "groups"
    result = groups(mixed, "--out", out, "--name", "early", "--name", "late")
    assert result.exit_code == 0, result.stderr
    assert "stands out" in result.stderr
    assert "twin.webp" in result.stderr
    assert "early" in result.stdout
    copied = {folder.name: contents(folder) for folder in out.iterdir()}
    assert set(copied) == {"early", "late"}
    assert {name.split("-")[0] for name in copied["early"]} == {"ink"}
    assert {name.split("-")[0] for name in copied["late"]} == {"flat"}
    assert (len(copied["early"]), len(copied["late"])) == (14, 10)
    assert all(before[name] == data for folder in copied.values() for name, data in folder.items())
    assert contents(mixed) == before
    dry = CliRunner().invoke(app, ["adapt", str(out / "late"), "--name", "mine-late", "--dry-run"])
    assert dry.exit_code == 0, dry.stderr


def test_one_hand_is_one_group(tmp_path: Path) -> None:
    (row,) = rows(INK)
    assert (row["group"], row["n"], row["path"]) == ("group-1", 24 - len(row["outliers"]), None)
    assert row["medoid"] in row["drawings"]
    assert row["p"] > 0.05
    assert len(row["sha256"]) == 64
    assert "256" in row["resize"]
    assert "does not stand out" in groups(INK).stderr


def test_a_foreign_drawing_goes_to_the_outliers(tmp_path: Path) -> None:
    folder = tmp_path / "drawings"
    shutil.copytree(INK, folder)
    shutil.copy(FLAT / "003.webp", folder / "foreign.webp")
    (row,) = rows(folder, "--out", tmp_path / "groups", "--extractor", "perceptual")
    assert row["outliers"] == ["foreign.webp"]
    assert row["path"] == str(tmp_path / "groups" / "group-1")
    assert [file.name for file in (tmp_path / "groups" / "outliers").iterdir()] == ["foreign.webp"]
    assert set(contents(tmp_path / "groups" / "group-1")) == set(row["drawings"])


def test_as_many_groups_as_are_asked_for() -> None:
    found = rows(INK, "--count", "3", "--name", "a", "--name", "b", "--name", "c")
    assert [row["group"] for row in found] == ["a", "b", "c"]
    assert [row["n"] for row in found] == sorted((row["n"] for row in found), reverse=True)
    assert "as asked for" in groups(INK, "--count", "3").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere"], 4, "nowhere"),
        (["{ink}", "--name", "a", "--name", "b"], 2, "--count 2"),
        (["{ink}", "--name", "../up"], 2, "'/'"),
        (["{ink}", "--name", "Outliers"], 2, "outliers"),
        (["{ink}", "--name", "Cool", "--name", "cool"], 2, "different"),
        (["{ink}", "--count", "40"], 3, "40 groups"),
        (["{ink}", "--out", "full"], 5, "not empty"),
        (["drawings", "--out", "drawings/groups"], 5, "lies in"),
        (["{ink}", "--extractor", "randon"], 4, "random"),
        (["broken"], 3, "none of its"),
    ],
)
def test_bad_input_gets_one_message_and_writes_nothing(
    arguments: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("full", "broken"):
        Path(name).mkdir()
        Path(name, "a.png").write_text("not a picture")
    shutil.copytree(INK, "drawings")
    before = sorted(tmp_path.rglob("*"))
    result = groups(*(argument.format(ink=INK) for argument in arguments))
    assert (result.exit_code, result.stdout, result.stderr.count("error:")) == (code, "", 1)
    assert says in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_single_drawing_is_one_group(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(INK / "000.webp", folder)
    (row,) = rows(folder)
    assert (row["n"], row["silhouette"], row["medoid"]) == (1, None, "000.webp")
    assert "too few" in groups(folder).stderr

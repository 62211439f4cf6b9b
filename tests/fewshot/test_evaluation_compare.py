"""`fewshot eval compare`: folders, archives, patterns and bases as a matrix."""

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from fewshot.cli.main import app
from fewshot.errors import UsageError
from fewshot.evaluation.operands import distinct_labels, find_operand
from fewshot.samples import sample_folder

INK, FLAT, RISO, PASTEL = (sample_folder(hand) for hand in ("ink", "flat", "riso", "pastel"))


def run(*arguments: str | Path) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["eval", "compare", *map(str, arguments)], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.stderr
    return result.stdout, result.stderr


def measure(*arguments: str | Path) -> dict[tuple[str, str], dict[str, Any]]:
    rows = json.loads(run(*arguments, "--format", "json")[0])
    return {(row["a"], row["b"]): row for row in rows}


def test_each_pair_is_measured_once_with_its_interval() -> None:
    found = measure(INK, FLAT, RISO, "--size", "64")
    assert set(found) == {("flat", "ink"), ("riso", "ink"), ("riso", "flat")}
    for row in found.values():
        assert row["low"] < row["value"] < row["high"]
        assert (row["n_x"], row["n_y"], row["extractor"]) == (24, 24, "style")
        assert len(row["sha256"]) == 64


def test_one_folder_written_in_two_ways_is_one_thing() -> None:
    with pytest.raises(UsageError, match="1 different things"):
        distinct_labels([find_operand(str(INK)), find_operand(f"{INK}/../{INK.name}/")])


def test_a_colon_in_a_pattern_is_no_weight(tmp_path: Path) -> None:
    (tmp_path / "2024:1.png").write_bytes(b"")
    assert find_operand(str(tmp_path / "2024:*.png")).kind == "pictures"


def test_a_base_redraws_the_photos_and_all_are_compared_at_its_size() -> None:
    photos: list[str | Path] = ["--photos", FLAT, "--indices", "0-5"]
    found = measure(INK, "scan_tiny", *photos)
    row = found["scan_tiny", "ink"]
    assert (row["n_x"], row["n_y"]) == (24, 6)
    assert row["resize"].startswith("Lanczos to 32,")
    larger = measure(INK, "scan_tiny", *photos, "--size", "64")["scan_tiny", "ink"]
    assert larger["resize"].startswith("Lanczos to 64,")


def test_two_that_drew_the_same_photos_are_compared_across_photos(tmp_path: Path, small: ModuleType) -> None:
    """A style that changes next to nothing is no distance from its base, rather than less than none."""
    style = small.write_template(tmp_path / "style")
    row = measure(f"{style}:0.01", "scan_tiny", "--photos", FLAT)["scan_tiny", "style:0.01"]
    assert row["low"] < 0 < row["high"]
    assert abs(row["value"]) < 0.05
    assert "not compared with each other" in str(row["notes"])


def test_photos_that_nobody_redraws_are_an_error() -> None:
    result = CliRunner().invoke(app, ["eval", "compare", str(INK), str(FLAT), "--photos", str(RISO)])
    assert (result.exit_code, "--photos" in result.stderr) == (2, True)


def test_style_says_who_is_taken_for_whom() -> None:
    found = measure(INK, FLAT, RISO, "--measure", "style", "--size", "64")
    assert len(found) == 9
    assert found["ink", "ink"]["value"] > 0.9
    for hand in ("ink", "flat", "riso"):
        assert sum(found[hand, other]["value"] for other in ("ink", "flat", "riso")) == pytest.approx(1)


def test_fid_has_no_interval_and_says_why() -> None:
    row = measure(INK, FLAT, "--measure", "fid", "--size", "64")["flat", "ink"]
    assert (row["low"], row["high"]) == (None, None)
    assert "no interval" in str(row["notes"])


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for artist, hand in (("anna", INK), ("ben", FLAT)):
        shutil.copytree(hand, tmp_path / artist / "train")
    ((a, b),) = measure(tmp_path / "anna" / "train", tmp_path / "ben" / "train", "--size", "64")
    assert a.endswith("ben/train")
    assert b.endswith("anna/train")


@pytest.mark.parametrize("measure_by", ["kid", "style"])
def test_the_tables_fit_into_eighty_columns(measure_by: str) -> None:
    things = [INK, FLAT, RISO, PASTEL, FLAT / "00*.webp", RISO / "00*.webp"]
    for count in (3, 6):
        stdout, stderr = run(*things[:count], "--size", "64", "--measure", measure_by)
        assert max(map(len, stdout.splitlines())) <= 80
        assert "[" in stdout or "low" in stdout
        assert "95 % interval" in stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["{ink}"], 2, "two or more"),
        (["{ink}", "{ink}"], 2, "each once"),
        (["{ink}", "scan_tiny"], 2, "--photos"),
        (["{ink}", "scan_tinny"], 4, "did you mean scan_tiny?"),
        (["{ink}", "nowhere/drawings"], 4, "no such folder"),
        (["{ink}", "one"], 3, "expected two or more"),
        (["{ink}", "scan_tiny", "--photos", "nowhere"], 4, "nowhere"),
        (["{ink}", "{flat}", "--extractor", "randon"], 4, "did you mean 'random'"),
    ],
)
def test_mistakes_get_one_message(
    arguments: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one").mkdir()
    shutil.copy(INK / "000.webp", "one/other.webp")
    command = [argument.format(ink=INK, flat=FLAT) for argument in arguments]
    result = CliRunner().invoke(app, ["eval", "compare", *command])
    assert (result.exit_code, result.stdout, result.stderr.count("error:")) == (code, "", 1)
    assert says in result.stderr

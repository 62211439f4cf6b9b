"""`fewshot eval kid|fid|style|content` on folders."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fewshot.cli.main import app
from fewshot.samples import sample_folder

INK, FLAT, RISO = (sample_folder(hand) for hand in ("ink", "flat", "riso"))


def measure(*arguments: str | Path) -> list[dict[str, float | str | None]]:
    command = ["eval", *map(str, arguments), "--size", "64", "--format", "json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert isinstance(rows, list)
    return rows


def number(value: float | str | None) -> float:
    assert isinstance(value, float | int)
    return value


def halves(folder: Path, destination: Path) -> tuple[Path, Path]:
    parts = destination / "even", destination / "odd"
    for i, part in enumerate(parts):
        part.mkdir()
        for file in sorted(folder.glob("*.webp"))[i::2]:
            shutil.copy(file, part)
    return parts


@pytest.mark.parametrize("distance", ["kid", "fid"])
def test_one_hand_is_nearer_to_itself(distance: str, tmp_path: Path) -> None:
    even, odd = halves(INK, tmp_path)
    (near,), (far,) = measure(distance, even, odd), measure(distance, INK, FLAT)
    assert number(near["value"]) < 0.3 * number(far["value"])
    assert near["n"] == "12 and 12"
    assert "64" in str(near["resize"])
    assert len(str(near["sha256"])) == 64
    if distance == "kid":
        assert number(near["low"]) <= number(near["value"]) <= number(near["high"])
    else:
        assert [near["low"], near["high"]] == [None, None]
        assert "2048" in str(near["notes"])


def test_a_hand_is_found_among_others(tmp_path: Path) -> None:
    even, odd = halves(INK, tmp_path)
    rows = measure("style", even, "--among", FLAT, "--among", odd, "--among", RISO)
    assert (rows[0]["measure"], rows[0]["value"], rows[0]["notes"]) == ("odd: nearest", 1, "chance 0.33")


def test_content_pairs_by_name_and_finds_copies(tmp_path: Path) -> None:
    some = tmp_path / "results"
    some.mkdir()
    for file in sorted(INK.glob("*.webp"))[:8]:
        shutil.copy(file, some)
    first, rank, copies = measure("content", INK, some, "--drawings", INK)
    assert (first["value"], rank["value"], copies["value"]) == (1, 1, 1)
    assert first["n"] == "8 and 8"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["kid", "{ink}", "nowhere"], 4, "nowhere"),
        (["kid", "{ink}", "one"], 3, "one"),
        (["kid", "{ink}", "text"], 3, "text"),
        (["fid", "{ink}", "{flat}", "--extractor", "inceptoin"], 4, "inception"),
        (["style", "{ink}", "--among", "{flat}"], 2, "--among"),
        (["style", "{ink}", "--among", "{flat}", "--among", "{flat}"], 2, "once"),
        (["content", "{ink}", "one"], 3, "same name"),
    ],
)
def test_bad_input_gets_one_message(
    arguments: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "text"):
        Path(name).mkdir()
    shutil.copy(INK / "000.webp", "one/other.webp")
    Path("text/a.png").write_text("not a picture")
    command = [argument.format(ink=INK, flat=FLAT) for argument in arguments]
    result = CliRunner().invoke(app, ["eval", *command])
    assert (result.exit_code, result.stdout, result.stderr.count("error:")) == (code, "", 1)
    assert says in result.stderr


def test_a_broken_picture_is_named_and_the_rest_counts(tmp_path: Path) -> None:
    folder = tmp_path / "drawings"
    shutil.copytree(INK, folder)
    (folder / "broken.png").write_bytes(b"nothing")
    result = CliRunner().invoke(app, ["eval", "kid", str(folder), str(FLAT), "--size", "64"])
    assert result.exit_code == 0
    assert "broken.png" in result.stderr
    assert "24 and 24" in result.stdout

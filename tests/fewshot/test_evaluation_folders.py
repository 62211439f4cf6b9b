"""`fewshot eval kid|fid|style` on folders, archives and patterns."""

import hashlib
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from eval.distances import Scale, kid
from eval.features import get_extractor
from fewshot.cli.main import app
from fewshot.evaluation.features import features_of
from fewshot.evaluation.sources import gather
from fewshot.samples import sample_folder

INK, FLAT, RISO = (sample_folder(hand) for hand in ("ink", "flat", "riso"))


def measure(*arguments: object) -> list[dict[str, Any]]:
    command = ["eval", *map(str, arguments), "--size", "64", "--format", "json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert isinstance(rows, list)
    return rows


def number(value: Any) -> float:
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
    assert (near["n_x"], near["n_y"]) == (12, 12)
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
    assert (rows[0]["measure"], rows[0]["value"]) == ("odd: nearest", 1)
    framing = (
        "the artists' drawings are compared whole and cut about their faces, and enlarged in three steps"
    )
    assert rows[0]["notes"] == ["chance 0.11", framing]


def test_folder_archive_and_pattern_are_the_same_pictures(tmp_path: Path) -> None:
    archive = tmp_path / "ink.tar"
    with tarfile.open(archive, "w") as tar:
        for file in sorted(INK.glob("*.webp")):
            tar.add(file, file.name)
    values = [measure("kid", source, FLAT)[0]["value"] for source in (INK, archive, INK / "*.webp")]
    assert values[0] == values[1] == values[2]


def test_subsets_are_shown_beside_the_value_of_all_pictures() -> None:
    plain, subsets = measure("kid", INK, FLAT, "--subset-size", "12")
    assert number(subsets["value"]) == pytest.approx(number(plain["value"]), rel=0.05)
    assert subsets["low"] is None
    assert "subsets of 12: deviation" in str(subsets["notes"])


def test_pictures_can_be_left_as_they_are() -> None:
    result = CliRunner().invoke(app, ["eval", "kid", str(INK), str(FLAT), "--as-is", "--format", "json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)[0]["resize"].startswith("as they are")


def test_the_same_pictures_on_both_sides_are_noticed() -> None:
    (row,) = measure("kid", INK, INK)
    assert number(row["value"]) < 0
    assert "24 pictures are on both sides" in str(row["notes"])


def test_features_without_a_scale_of_their_own_say_what_they_were_standardised_on() -> None:
    (row,) = measure("kid", INK, FLAT, "--extractor", "perceptual")
    assert "standardised on the second side" in str(row["notes"])


def test_the_ruler_is_taken_from_the_drawings_and_fid_has_none() -> None:
    """So that all results are measured with the same one."""
    measured = ("--extractor", "perceptual")
    judge = get_extractor("perceptual")
    results, drawings = (features_of(judge, gather(folder, 64)) for folder in (FLAT, INK))
    scale = Scale.fit(drawings)
    (row,) = measure("kid", FLAT, INK, *measured)
    assert number(row["value"]) == pytest.approx(kid(scale.apply(results), scale.apply(drawings)))
    (there,), (back,) = measure("fid", FLAT, INK, *measured), measure("fid", INK, FLAT, *measured)
    assert number(there["value"]) == pytest.approx(number(back["value"]), rel=1e-6)


def test_a_copy_of_a_folder_is_told_from_another_hand(tmp_path: Path) -> None:
    shutil.copytree(INK, tmp_path / "copy")
    among = ["--among", str(tmp_path / "copy"), "--among", str(FLAT)]
    result = CliRunner().invoke(app, ["eval", "style", str(INK), *among, "--size", "64"])
    assert result.exit_code == 0, result.stderr
    assert "24 pictures" in result.stderr
    assert "find themselves" in result.stderr


@pytest.mark.parametrize("device", ["meta", "vulkan", "mps:7", "nonsense"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    result = CliRunner().invoke(app, ["eval", "kid", str(INK), str(FLAT), "--device", device])
    assert (result.exit_code, result.stderr.count("error:")) == (2, 1)
    assert f"--device {device}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["kid", "{ink}", "nowhere"], 4, "nowhere"),
        (["kid", "{ink}", "one"], 3, "one"),
        (["kid", "{ink}", "text"], 3, "text"),
        (["fid", "{ink}", "{flat}", "--extractor", "inceptoin"], 4, "inception"),
        (["style", "{ink}", "--among", "{flat}", "--extractor", "random"], 2, "--among"),
        (["style", "{ink}", "--among", "{flat}", "--among", "{flat}"], 2, "once"),
        (["kid", "{ink}"], 2, "two sources"),
        (["kid", "{ink}/000.webp", "{ink}/001.webp", "{ink}/002.webp"], 2, "quotes"),
        (["kid", "{ink}", "nothing-*.png"], 4, "no picture matches"),
        (["kid", "{ink}", "{flat}", "--subset-size", "50"], 3, "subset"),
        (["fid", "{ink}", "{flat}", "--extractor", "squeezenet"], 4, "--weights FILE"),
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
    assert "1 picture left out: drawings/broken.png" in result.stderr
    assert "24 and 24" in result.stdout
    (row,) = measure("kid", folder, FLAT)
    assert (row["skipped"], row["skipped_names"]) == (1, ["drawings/broken.png"])


def test_inception_runs_with_a_file_whose_sha256_is_said(inception_weights: Path) -> None:
    pin = hashlib.sha256(inception_weights.read_bytes()).hexdigest()
    options = ["--extractor", "inception", "--weights", inception_weights]
    (row,) = measure("kid", INK, FLAT, *options, "--sha256", pin)
    assert (row["extractor"], row["sha256"]) == ("inception", pin)
    assert "299" in str(row["resize"])
    assert number(row["value"]) > 0
    again = measure("kid", INK, FLAT, *options, "--sha256", pin)
    assert again == [row]
    command = ["eval", "fid", str(INK), str(FLAT), *map(str, options)]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 6
    assert f"--sha256 {pin}" in refused.stderr.replace("\n", " ")

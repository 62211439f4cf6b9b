"""`fewshot base pack` through its own arguments."""

import json
import tarfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fewshot.cli.base_pack import pack
from fewshot.cli.failures import VerbGroup
from fewshot.data.training_pack import open_training_pack


def run(*arguments: str | Path) -> tuple[int, str, str]:
    app = typer.Typer(cls=VerbGroup)
    app.command()(pack)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["pack", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def inputs(shared: Path, tmp_path: Path) -> list[str | Path]:
    for name in ("photos_lfw_112", "anime_96"):
        with tarfile.open(shared / "data" / f"{name}.tar") as archive:
            for index in range(4):
                archive.extract(f"{name}/{index:05d}.webp", tmp_path, filter="data")
    return [
        "--photos",
        f"{tmp_path / 'photos_lfw_112'}:0.4",
        "--drawings",
        tmp_path / "anime_96",
        "--detector",
        shared / "weights" / "face_detection_yunet.onnx",
        "--cascade",
        shared / "weights" / "lbpcascade_animeface.xml",
    ]


def test_it_writes_a_pack_and_says_what_is_in_it(inputs: list[str | Path], tmp_path: Path) -> None:
    out = tmp_path / "pack.tar"
    code, stdout, stderr = run(*inputs, "--out", out, "--format", "json")
    assert code == 0, stderr
    rows = json.loads(stdout)
    assert [(row["group"], row["weight"]) for row in rows] == [
        ("photos/photos_lfw_112", 0.4),
        ("drawings/anime_96", 1.0),
    ]
    opened = open_training_pack(out)
    assert [group.count for group in (*opened.photos, *opened.drawings)] == [row["pictures"] for row in rows]
    assert "look at pictures" in stderr
    assert run(*inputs, "--out", out, "--format", "path")[1].split() == [str(out)]


def test_a_missing_detector_is_one_clear_error(inputs: list[str | Path], tmp_path: Path) -> None:
    inputs[inputs.index("--detector") + 1] = tmp_path / "nowhere.onnx"
    code, stdout, stderr = run(*inputs, "--out", tmp_path / "pack.tar")
    assert (code, stdout) == (4, "")
    assert "nowhere.onnx does not exist" in stderr
    assert "--detector" in stderr
    assert "FEWSHOT_HOME" in stderr

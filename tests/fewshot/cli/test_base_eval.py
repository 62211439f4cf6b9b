"""`fewshot base eval` from the command line."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from fewshot.cli.base_eval import evaluate
from fewshot.cli.failures import VerbGroup
from fewshot.samples import sample_folder

FLAT, INK = sample_folder("flat"), sample_folder("ink")

app = typer.Typer(cls=VerbGroup)
app.command("eval")(evaluate)
app.command("other")(lambda: None)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["eval", *map(str, arguments)])


@pytest.fixture
def yunet(shared: Path) -> Path:
    return shared / "weights" / "face_detection_yunet.onnx"


def test_parts_of_real_faces(yunet: Path, shared: Path) -> None:
    data = shared / "data"
    photos, drawings = data / "photos_256.tar", data / "anime_256.tar"
    few = ("--indices", "3300-3311", "--drawing-indices", "3300-3311", "--detector", yunet)
    result = run(
        *("scan_tiny", "--photos", photos, "--drawings", drawings, "--size", "128", "--format", "json"), *few
    )
    assert result.exit_code == 0, result.stderr
    (record,) = json.loads(result.stdout)
    rows = {row["measure"]: row for row in record["cases"][0]["rows"]}
    assert rows["faces found on photos"]["estimate"]["value"] > 0.9
    assert rows["hair L* correlation"]["estimate"]["n_y"] >= 11
    assert rows["hair L* correlation"]["shuffled"]["low"] < 0.3
    assert record["extractor"]["name"] == "random"
    assert record["n"] == {"photos": 12, "drawings": 12}
    assert rows["FID"]["estimate"]["low"] is None


def test_the_tables_are_for_reading(yunet: Path) -> None:
    result = run(
        *("scan_tiny", "--photos", FLAT, "--drawings", INK, "--n", "5", "--hard", "--detector", yunet),
        *("--extractor", "colour-edge"),
    )
    assert result.exit_code == 0, result.stderr
    assert "KID ratio" in result.stdout
    assert "occluder" in result.stdout
    assert "95 % intervals" in result.stderr
    assert "error" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("scan_tiny", "--photos", "nowhere", "--drawings", INK), 4, "nowhere"),
        (("scan_tinny", "--photos", FLAT, "--drawings", INK), 4, "scan_tiny"),
        (("scan_tiny", "--photos", FLAT, "--drawings", INK, "--extractor", "randm"), 4, "random"),
        (("scan_tiny", "--photos", FLAT, "--drawings", INK, "--indices", "x"), 2, "3300-3399"),
        (("scan_tiny", "--photos", FLAT), 2, "--drawings"),
    ],
)
def test_bad_input_gets_one_message(arguments: tuple[str | Path, ...], code: int, says: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr

"""`fewshot eval report`: what the page says of folders, a style and a base, and what it refuses."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from eval.intervals import Estimate
from fewshot.cli.main import app
from fewshot.evaluation.verdict import how_apart
from fewshot.samples import sample_folder

pytestmark = pytest.mark.usefixtures("no_downloads")

INK, FLAT, RISO = (sample_folder(hand) for hand in ("ink", "flat", "riso"))
FAST = ["--extractor", "random", "--size", "64"]


def fewshot(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.stdout, result.stderr


def some(folder: Path, destination: Path, chosen: slice) -> Path:
    destination.mkdir(parents=True)
    for file in sorted(folder.glob("*.webp"))[chosen]:
        shutil.copy(file, destination)
    return destination


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixteen results and sixteen drawings by one hand, half of both the same people, mirrored."""
    monkeypatch.chdir(tmp_path)
    some(INK, tmp_path / "results", slice(16))
    for file in some(INK, tmp_path / "drawings", slice(8, None)).iterdir():
        with Image.open(file) as image:
            ImageOps.mirror(image).save(file, lossless=True)
    return tmp_path


def record_in(page: Path) -> dict[str, Any]:
    html = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="numbers">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    record = json.loads(found[1])
    assert isinstance(record, dict)
    return record


def test_a_folder_that_is_right_is_said_to_be(sides: Path) -> None:
    further = ["--others", FLAT, "--others", RISO, "--photos", FLAT]
    code, out, err = fewshot("eval", "report", "results", "--drawings", "drawings", *further, *FAST)
    assert code == 0, err
    assert "verdict" in out
    record = record_in(sides / "report.html")
    first, second = record["verdict"]
    assert "nearer than the nearest other hand, riso" in first
    assert "the intervals are apart" in first
    assert "among 3 hands (chance 33 %)" in second
    assert "still show their own photo" in second
    numbers = {row["measure"]: row for row in record["numbers"]}
    assert numbers["KID"]["high"] < min(
        stick["low"] for stick in record["yardsticks"] if stick["label"] == "riso"
    )
    assert (numbers["KID"]["n_x"], numbers["KID"]["n_y"]) == (16, 16)
    assert {"precision", "coverage", "own photo by edges", "own photo by layout"} <= set(numbers)
    assert len(record["extractors"]["random"]["sha256"]) == 64
    assert any("no search for copies" in caution for caution in record["cautions"])


def test_the_page_and_the_single_verbs_say_the_same_number(sides: Path) -> None:
    code, out, err = fewshot(
        *("eval", "report", "results", "--drawings", "drawings", "--others", FLAT, *FAST, "--format", "json")
    )
    assert code == 0, err
    (record,) = json.loads(out)
    assert record == record_in(sides / "report.html")
    (kid,) = json.loads(fewshot("eval", "kid", "drawings", "results", *FAST, "--format", "json")[1])
    mine = next(row for row in record["numbers"] if row["measure"] == "KID")
    assert [mine[key] for key in ("value", "low", "high")] == [kid[key] for key in ("value", "low", "high")]


def test_copies_lead_to_a_warning_and_are_shown(sides: Path) -> None:
    arguments = ["--trained-on", "results", "--others", FLAT, "--format", "path", "-o", "copies.html"]
    code, out, _ = fewshot("eval", "report", "results", "--drawings", "drawings", *arguments, *FAST)
    assert (code, out) == (0, "copies.html\n")
    record = record_in(sides / "copies.html")
    assert any("16 of 16 results repeat the layout" in sentence for sentence in record["verdict"])
    assert any("lean to the drawings trained on" in sentence for sentence in record["verdict"])
    page = (sides / "copies.html").read_text(encoding="utf-8")
    assert "Most like a drawing trained on" in page
    assert page.count("a copy?") >= 6


def test_a_hand_that_holds_the_same_pictures_is_no_other_hand(sides: Path) -> None:
    code, _, err = fewshot("eval", "report", "results", "--drawings", "drawings", *FAST)
    assert code == 0
    assert "ink is no other hand here" in err
    assert "ink (" not in record_in(sides / "report.html")["sources"]["other hands"]


def test_a_style_is_compared_with_its_base_and_a_base_with_other_hands(sides: Path) -> None:
    training = ["--base", "scan_tiny", "steps=1", "eval_every=1", "warmup_steps=0", "batch=2"]
    assert fewshot("adapt", "results", "--name", "mine", *training)[0] == 0
    (sides / "drawings" / "broken.png").write_text("no picture")
    of_photos = ["--drawings", "drawings", "--photos", FLAT, "--indices", "0-9", "--others", RISO]
    code, _, err = fewshot("eval", "report", "mine", *of_photos, "--trained-on", "results", *FAST)
    assert code == 0, err
    record = record_in(sides / "report.html")
    assert record["verdict"][0].startswith("On these 10 photos mine is ")
    assert {row["of"] for row in record["numbers"]} == {"mine", "base (scan_tiny)"}
    measures = {row["measure"] for row in record["numbers"]}
    assert {"KID ratio", "cycle L1 (0..1)", "copies of drawings", "nearer to trained-on"} <= measures
    assert record["skipped"] == ["drawings/broken.png"]
    assert "drawings/broken.png" in (sides / "report.html").read_text(encoding="utf-8")
    code, _, err = fewshot("eval", "report", "scan_tiny", *of_photos, *FAST)
    assert code == 0, err
    assert "no nearer than the nearest other hand" in record_in(sides / "report.html")["verdict"][0]
    code, _, err = fewshot("eval", "report", "mine", "--drawings", "drawings")
    assert (code, "--photos" in err) == (2, True)


def test_too_few_pictures_have_no_distance_and_the_page_says_so(sides: Path) -> None:
    few = some(INK, sides / "few", slice(3))
    code, _, err = fewshot("eval", "report", few, "--drawings", "drawings", "--others", FLAT, *FAST)
    assert code == 0
    assert "no KID: 3 results and 16 drawings" in err
    assert len(record_in(sides / "report.html")["verdict"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere", "--drawings", "drawings"], 4, "no such folder"),
        (["results", "--drawings", "nowhere"], 4, "nowhere"),
        (["results", "--drawings", "drawings", "--extractor", "randon"], 4, "did you mean 'random'"),
        (["results", "--drawings", "drawings", "--photos", "other-names"], 3, "same name"),
        (["results", "--drawings", "drawings", "-o", "note.txt"], 5, "note.txt"),
        (["results", "--drawings", "drawings", "--others", "results"], 2, "--others"),
        (["scan_tiny", "--drawings", "drawings"], 2, "--photos"),
    ],
)
def test_mistakes_get_one_message_and_leave_no_page(
    arguments: list[str], code: int, says: str, sides: Path
) -> None:
    (sides / "note.txt").write_text("mine")
    (sides / "other-names").mkdir()
    shutil.copy(FLAT / "000.webp", sides / "other-names" / "someone.webp")
    found, out, err = fewshot("eval", "report", *arguments)
    assert (found, out, err.count("error:")) == (code, "", 1), err
    assert says in err
    assert not (sides / "report.html").exists()
    assert (sides / "note.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ((0, 1), (2, 3), "are apart"),
        ((2, 3), (0, 1), "are apart"),
        ((0, 2), (1, 3), "overlap"),
        ((0, float("inf")), (1, 3), "too few"),
        ((4, float("inf")), (1, 3), "are apart"),
        ((float("nan"), float("nan")), (1, 3), "no intervals"),
    ],
)
def test_intervals_are_said_to_be_apart_only_when_they_are(
    a: tuple[float, float], b: tuple[float, float], words: str
) -> None:
    assert words in how_apart(*(Estimate(low, low, high, 9, 9, "x") for low, high in (a, b)))

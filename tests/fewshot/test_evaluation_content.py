"""`fewshot eval content` on folders: own photo by three views, the way back, and memorisation."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from fewshot.cli.main import app
from fewshot.evaluation.sources import gather_drawings
from fewshot.inference.detection import CascadeDetector
from fewshot.inference.framing import frame, is_portrait
from fewshot.samples import sample_folder

pytestmark = pytest.mark.usefixtures("no_downloads")

INK, FLAT, RISO = (sample_folder(hand) for hand in ("ink", "flat", "riso"))


def measure(*arguments: str | Path) -> dict[str, dict[str, Any]]:
    """Rows by the name of their measure."""
    command = ["eval", "content", *map(str, arguments), "--size", "64", "--format", "json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    return {row["measure"]: row for row in json.loads(result.stdout)}


def some(folder: Path, destination: Path, chosen: slice) -> Path:
    destination.mkdir()
    for file in sorted(folder.glob("*.webp"))[chosen]:
        shutil.copy(file, destination)
    return destination


def test_a_name_that_is_there_twice_is_no_pair(tmp_path: Path) -> None:
    results = some(INK, tmp_path / "results", slice(4))
    first = sorted(results.iterdir())[0]
    Image.open(first).save(first.with_suffix(".png"))
    command = ["eval", "content", str(INK), str(results), "--size", "64"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code != 0
    assert f"more than one picture called {first.stem}" in result.stderr


def test_content_pairs_by_name_and_finds_copies(tmp_path: Path) -> None:
    found = measure(INK, some(INK, tmp_path / "results", slice(8)), "--drawings", INK)
    for row in ("own photo by edges", "1/rank by edges", "own photo by layout", "copies of drawings"):
        assert found[row]["value"] == 1, row
    assert (found["own photo by edges"]["n_x"], found["own photo by edges"]["n_y"]) == (8, 8)
    assert "chance 0.12" in str(found["own photo by layout"]["notes"])
    assert "look at 000" in str(found["copies of drawings"]["notes"])


def test_a_copy_of_what_adapt_sees_is_found_too(shared: Path, tmp_path: Path) -> None:
    """Drawings are cut about their faces before they are learned from; so is what repeats them."""
    drawings = some_of(shared / "data/artists/open_peeps/train", tmp_path / "drawings", 12)
    cut = gather_drawings(drawings, 128)
    (tmp_path / "results").mkdir()
    for name, pixels in zip(cut.names, cut.pixels, strict=True):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / "results" / f"{name}.png")
    asked = drawings, tmp_path / "results", "--drawings", drawings
    assert measure(*asked)["copies of drawings"]["value"] == 1
    assert measure(*asked, "--drawings-crop", "center")["copies of drawings"]["value"] < 0.5
    report = [
        "eval",
        "report",
        str(tmp_path / "results"),
        "--drawings",
        str(drawings),
        "--extractor",
        "random",
    ]
    page = tmp_path / "page.html"
    report += ["--trained-on", str(drawings), "--size", "128"]
    ended = CliRunner().invoke(app, [*report, "-o", str(page)])
    assert ended.exit_code == 0, ended.stderr
    assert "12 of 12 results" in page.read_text()


def some_of(folder: Path, destination: Path, count: int) -> Path:
    destination.mkdir()
    for file in sorted(folder.iterdir())[:count]:
        shutil.copy(file, destination)
    return destination


def tall_portraits(tmp_path: Path, draw: Callable[[Image.Image], Image.Image]) -> None:
    """Six people, for edges: other ways up, to the side, under another strip; and what is drawn of them."""
    portrait = Image.fromarray(data.astronaut()).crop((150, 0, 310, 300))
    for number in range(6):
        photo = Image.new("RGB", (160, 420), (40 * number, 90, 200))
        turned = portrait if number % 2 else portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        photo.paste(turned.rotate(4 * number - 10), (0, 10 * number))
        for folder, picture in (("photos", photo), ("results", draw(photo))):
            (tmp_path / folder).mkdir(exist_ok=True)
            picture.save(tmp_path / folder / f"{number}.png")


def test_whole_pictures_are_compared_with_whole_photos(tmp_path: Path) -> None:
    tall_portraits(tmp_path, lambda photo: photo.convert("L"))
    found = measure(tmp_path / "photos", tmp_path / "results")
    faces = measure(tmp_path / "photos", tmp_path / "results", "--crop", "face")
    assert found["1/rank by edges"]["value"] == 1
    assert faces["1/rank by edges"]["value"] < 1


def test_photos_are_framed_as_stylize_frames_them(tmp_path: Path) -> None:
    """A tall portrait, of which `stylize` draws the face: each result is its own photo's all the same."""
    tall_portraits(tmp_path, prepare_square)
    found = measure(tmp_path / "photos", tmp_path / "results")
    middle = measure(tmp_path / "photos", tmp_path / "results", "--crop", "center")
    assert found["1/rank by edges"]["value"] == 1
    assert middle["1/rank by edges"]["value"] < 1


def prepare_square(photo: Image.Image) -> Image.Image:
    faces = CascadeDetector().faces(photo)
    assert is_portrait(photo, faces)
    return frame(photo, face=faces[0]).image


def test_another_hand_shows_the_same_people() -> None:
    found = measure(FLAT, INK)
    assert found["own photo by edges"]["low"] > 3 / 24
    assert found["own photo by layout"]["low"] > 3 / 24


def test_colours_of_parts_need_a_detector(shared: Path) -> None:
    detector = shared / "weights" / "face_detection_yunet.onnx"
    found = measure(FLAT, FLAT, "--detector", detector)
    colours = found["own photo by colours"]
    assert colours["value"] > 0.9
    assert 5 <= colours["n_y"] <= 24
    assert colours["extractor"] == "landmark regions"


def test_results_lean_to_the_drawings_they_were_copied_from(tmp_path: Path) -> None:
    trained, unseen = (some(INK, tmp_path / n, s) for n, s in (("a", slice(12)), ("b", slice(12, None))))
    row = measure(INK, trained, "--drawings", trained, "--heldout", unseen)["nearer to trained-on"]
    assert (row["value"], row["p"] < 0.01) == (1, True)
    other = measure(INK, trained, "--drawings", unseen, "--heldout", trained)["nearer to trained-on"]
    assert (other["value"], other["p"]) == (0, 1)


def test_the_way_back_of_a_base_is_measured_beside_shuffled_pairs() -> None:
    row = measure(FLAT, INK, "--base", "scan_tiny")["cycle L1 (0..1)"]
    assert 0 < row["low"] <= row["value"] <= row["high"] < 1
    assert len(row["shuffled"]) == 3
    assert "way back of scan_tiny" in row["resize"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["{ink}", "one"], 3, "same name"),
        (["{ink}", "{flat}", "--heldout", "{riso}"], 2, "--drawings"),
        (["{ink}", "{flat}", "--drawings", "one"], 3, "expected two"),
        (["{ink}", "{flat}", "--base", "scan_tinny"], 4, "scan_tiny"),
        (["{ink}", "{flat}", "--detector", "none.onnx"], 4, "none.onnx"),
    ],
)
def test_mistakes_get_one_message(
    arguments: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one").mkdir()
    shutil.copy(INK / "000.webp", "one/other.webp")
    command = [argument.format(ink=INK, flat=FLAT, riso=RISO) for argument in arguments]
    result = CliRunner().invoke(app, ["eval", "content", *command, "--size", "64"])
    assert (result.exit_code, result.stdout, result.stderr.count("error:")) == (code, "", 1)
    assert says in result.stderr

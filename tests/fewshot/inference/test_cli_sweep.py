"""`fewshot stylize --sweep` as a person runs it, with styles of the tiny base."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from fewshot.cli.main import app

Make = Callable[..., object]
CELL = 32
"""Side of what scan_tiny draws, px."""


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def places(sheet: NDArray[np.uint8], drawing: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Row and column in px of every exact copy of `drawing` on the sheet."""
    side = len(drawing)
    inner = sheet[: len(sheet) - side + 1, : sheet.shape[1] - side + 1]
    corners = np.argwhere((inner == drawing[0, 0]).all(2)).tolist()
    return [(y, x) for y, x in corners if np.array_equal(sheet[y : y + side, x : x + side], drawing)]


def stylize(*arguments: str) -> Any:
    """`fewshot stylize ARGUMENTS` in this process, which has loaded torch already."""
    return CliRunner().invoke(app, ["stylize", *arguments])


def draw(name: str, *arguments: str) -> NDArray[np.uint8]:
    """What `stylize` draws with these styles when it is not asked for a sweep."""
    done = stylize("a.png", *arguments, "-o", name)
    assert done.exit_code == 0, done.stderr
    return pixels(Path(name))


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make_styles(make_style: Make, make_photo: Make) -> None:
    make_style("ink", seed=1)
    make_style("flat", seed=2)
    make_style("riso", seed=3)
    make_photo("a.png")


@pytest.mark.usefixtures("make_styles")
def test_one_style_is_a_row_from_the_base_to_an_exaggeration() -> None:
    for name in ("sheet.png", "again.png"):
        done = stylize("a.png", "--style", "ink", "--sweep", "-o", name)
        assert done.exit_code == 0, done.stderr
    assert "every weight of ink" in done.stderr
    assert Path("sheet.png").read_bytes() == Path("again.png").read_bytes()
    sheet = pixels(Path("sheet.png"))
    found = [places(sheet, draw("base.png", "--base", "scan_tiny"))]
    found += [places(sheet, draw(f"{w}.png", "--style", f"ink:{w}")) for w in ("0.5", "1", "1.5")]
    assert [len(place) for place in found] == [1, 1, 1, 1]
    rows, columns = zip(*(place[0] for place in found), strict=True)
    assert len(set(rows)) == 1
    step = (columns[3] - columns[0]) // 6
    assert step > CELL
    assert columns == tuple(columns[0] + step * i for i in (0, 2, 4, 6))


@pytest.mark.usefixtures("make_styles")
def test_a_tilted_head_is_levelled_on_the_sheet_too() -> None:
    upright = Image.fromarray(data.astronaut())
    upright.rotate(25, center=(224, 106)).crop((150, 32, 298, 180)).save("tilted.png")
    assert stylize("tilted.png", "--style", "ink", "--sweep", "-o", "sheet.png").exit_code == 0
    drawings = []
    for crop in ("face", "center"):
        done = stylize("tilted.png", "--style", "ink", "--crop", crop, "-o", f"{crop}.png")
        assert done.exit_code == 0, done.stderr
        drawings.append(pixels(Path(f"{crop}.png")))
    sheet = pixels(Path("sheet.png"))
    assert [len(places(sheet, drawing)) for drawing in drawings] == [1, 0]


@pytest.mark.usefixtures("make_styles")
def test_two_styles_are_a_grid_with_each_style_alone_at_its_edges() -> None:
    done = stylize("a.png", "--style", "ink", "--style", "flat", "--sweep", "-o", "sheet.png")
    assert done.exit_code == 0, done.stderr
    sheet = pixels(Path("sheet.png"))
    wanted = {
        (0, 0): ("--base", "scan_tiny"),
        (4, 0): ("--style", "ink"),
        (0, 4): ("--style", "flat"),
        (4, 4): ("--style", "ink", "--style", "flat"),
        (1, 3): ("--style", "flat:0.75", "--style", "ink:0.25"),
    }
    found = {}
    for cell, arguments in wanted.items():
        (found[cell],) = places(sheet, draw(f"{cell[0]}{cell[1]}.png", *arguments))
    top, left = found[0, 0]
    step = (found[4, 4][0] - top) // 4
    assert found == {cell: (top + step * cell[0], left + step * cell[1]) for cell in wanted}


def test_every_photo_of_a_folder_gets_a_sheet_and_the_others_are_named(
    make_style: Make, make_photo: Make, tmp_path: Path
) -> None:
    make_style("a-hand-with-a-very-long-name")
    make_photo("photos/one.jpg")
    make_photo("photos/one.png", seed=1)
    (tmp_path / "photos" / "broken.png").write_text("no picture")
    done = stylize(
        *("photos", "--style", "a-hand-with-a-very-long-name", "--sweep"),
        *("-o", "out", "--size", "40", "--format", "json"),
    )
    assert done.exit_code == 3, done.stderr
    first, second, broken = json.loads(done.stdout)
    assert [first["path"], second["path"]] == [str(Path("out") / n) for n in ("one.png", "one-2.png")]
    assert "broken.png" in broken["error"]
    sheets = [pixels(Path(row["path"])) for row in (first, second)]
    assert sheets[0].shape == sheets[1].shape == (first["height"], first["width"], 3)
    assert first["width"] > 8 * 40
    assert not np.array_equal(sheets[0], sheets[1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--style", "ink", "--style", "flat", "--style", "riso"), ("3 styles", "one or two")),
        (("--base", "scan_tiny"), ("no styles", "--style NAME")),
        (("--style", "ink:0.5"), ("ink:0.5", "leave the weight out")),
        (("--style", "ink", "--crop", "none"), ("squares", "--crop face")),
        (("--style", "ink", "--size", "2048"), ("2048 px", "--size 1024")),
    ],
    ids=["three", "none", "a weight", "whole pictures", "too large"],
)
@pytest.mark.usefixtures("make_styles")
def test_what_cannot_be_swept_is_said_in_words(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    done = stylize("a.png", *arguments, "--sweep", "-o", "sheet.png")
    assert done.exit_code == 2, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("sheet.png").exists()

"""Photo paper: page sizes, places, marks and what a rendered page shows."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image, JpegImagePlugin
from skimage import data
from typer.testing import CliRunner

from fewshot.cli.main import app
from fewshot.errors import UsageError
from fewshot.inference.detection import CascadeDetector
from fewshot.inference.print_layout import DPI, PAPERS, Paper, Sheet, page_size, places, px
from fewshot.inference.printing import about_the_face, page_of, print_pictures


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


def rendered(path: Path, page: int = 0) -> np.ndarray:
    """A page at 300 dpi, `(H, W, 3)`."""
    document = pypdfium2.PdfDocument(path)
    return np.asarray(document[page].render(scale=DPI / 72).to_pil().convert("RGB"))


@pytest.mark.parametrize("paper", PAPERS)
def test_a_page_has_the_papers_size(portrait: Path, tmp_path: Path, paper: Paper) -> None:
    out = tmp_path / "sheet.pdf"
    assert print_pictures([portrait], out, Sheet(paper)) == 1
    width, height = pypdfium2.PdfDocument(out)[0].get_size()
    assert (width, height) == pytest.approx([side / 25.4 * 72 for side in PAPERS[paper]], abs=0.2)
    pixels = rendered(out)
    assert abs(pixels.shape[0] - page_size(Sheet(paper))[1]) <= 1
    border = round(4 / 25.4 * DPI)
    assert (pixels[border // 2, border * 3 : -border * 3] > 250).all()


def test_few_pixels_on_much_paper_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """128 px on 91.6 x 142.4 mm, filled: 142.4 mm / 25.4 = 5.6 inches, 23 pixels to each."""
    for side in (128, 800):
        path = tmp_path / f"{side}.png"
        Image.new("RGB", (side, side), "red").save(path)
        print_pictures([path], tmp_path / f"{side}.pdf")
    told = capsys.readouterr().err
    assert "128.png: 128 x 128 px are 23 dpi" in told
    assert "800.png" not in told


def test_a_strip_that_lies_in_its_place_whole_is_not_called_coarse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """800 px on 91.6 mm are 222 dpi; filling the place with its 100 px would be 28."""
    Image.new("RGB", (800, 100), "red").save(tmp_path / "strip.png")
    print_pictures([tmp_path / "strip.png"], tmp_path / "padded.pdf", Sheet(fit="pad"))
    assert "dpi" not in capsys.readouterr().err
    print_pictures([tmp_path / "strip.png"], tmp_path / "cut.pdf", Sheet(layout="grid", columns=1, rows=1))
    assert "strip.png: 800 x 100 px are 18 dpi" in capsys.readouterr().err


def test_passport_pictures_have_their_size_in_millimetres(portrait: Path, tmp_path: Path) -> None:
    out = tmp_path / "pass.pdf"
    assert print_pictures([portrait], out, Sheet(layout="passport", marks=False)) == 1
    spots = places(Sheet(layout="passport"))
    assert len(spots) == 6
    assert {(round(s.width / DPI * 25.4, 1), round(s.height / DPI * 25.4, 1)) for s in spots} == {
        (35.0, 45.0)
    }
    pixels = rendered(out).astype(int)
    inked = np.asarray((pixels < 245).any(-1))
    for spot in spots:
        inside = inked[spot.top + 5 : spot.top + spot.height - 5, spot.left + 5 : spot.left + spot.width - 5]
        assert inside.mean() > 0.5
    first, last = spots[0], spots[-1]
    one, other = (pixels[s.top + 9 : s.top + 500, s.left + 9 : s.left + 400] for s in (first, last))
    # The same, but for where it lies in the grid of pixels and of JPEG.
    assert np.abs(one - other).mean() < 8


def test_a_grid_holds_pictures_in_reading_order(tmp_path: Path) -> None:
    colours = ["red", "lime", "blue", "yellow", "cyan", "magenta", "black"]
    paths = []
    for name in colours:
        paths.append(tmp_path / f"{name}.png")
        Image.new("RGB", (90, 120), name).save(paths[-1])
    out = tmp_path / "grid.pdf"
    sheet = Sheet("a4", "grid", 2, 3)
    assert print_pictures(paths, out, sheet) == 2
    for place, name in zip(places(sheet) * 2, colours, strict=False):
        page = rendered(out, colours.index(name) // 6)
        middle = page[place.top + place.height // 2, place.left + place.width // 2]
        assert (
            np.abs(middle.astype(int) - np.array(Image.new("RGB", (1, 1), name).getpixel((0, 0)))).max() < 12
        )


def test_marks_stand_outside_of_the_picture(portrait: Path, tmp_path: Path) -> None:
    with_marks, without = tmp_path / "a.pdf", tmp_path / "b.pdf"
    print_pictures([portrait], with_marks, Sheet("a4", "grid", 2, 2))
    print_pictures([portrait], without, Sheet("a4", "grid", 2, 2, marks=False))
    place = places(Sheet("a4", "grid", 2, 2))[0]
    one, other = rendered(with_marks), rendered(without)
    changed = np.argwhere(np.abs(one.astype(int) - other).max(-1) > 100)
    assert len(changed)
    for row, column in changed:
        assert not (
            place.top + 3 < row < place.top + place.height - 3
            and place.left + 3 < column < place.left + place.width - 3
        )


@pytest.mark.parametrize(
    "sheet",
    [
        Sheet(layout="passport"),
        Sheet("a6", "passport"),
        Sheet("a4", "grid", 2, 2),
        Sheet("a4", "grid", 3, 2, gap=2.0),
        Sheet("a4", "grid", 2, 3, gap=0.0, fit="pad"),
        Sheet("a4", "grid", 2, 3, gap=0.0),
        Sheet("a4", "grid", 2, 3, gap=0.2),
    ],
)
def test_no_mark_lies_on_a_picture(sheet: Sheet) -> None:
    """Pictures of one colour, so that a page tells what is a picture and what a mark."""
    picture = Image.new("RGB", (300, 400), (90, 160, 230))
    marked, plain = (
        np.asarray(page_of(picture, replace(sheet, marks=marks))).astype(int) for marks in (True, False)
    )
    drawn, covered = (np.abs(marked - plain).max(-1) > 0), (plain != 255).any(-1)
    assert not (drawn & covered).any()
    # The outer corners have theirs.
    top, left = (np.flatnonzero(covered.any(axis))[0] for axis in (1, 0))
    assert drawn[top - px(3) : top, left - 2 : left + 3].any()
    assert drawn[top - 2 : top + 3, left - px(3) : left].any()


def test_margins_and_gaps_that_are_asked_for_count(portrait: Path, tmp_path: Path) -> None:
    """The passport strip has narrower ones of its own, where none are."""
    usual, wide = places(Sheet(layout="passport")), places(Sheet(layout="passport", margin=20, gap=10))
    assert (len(usual), len(wide)) == (6, 2)
    assert wide[0].left >= px(20)
    assert usual[0].left >= px(3)
    with pytest.raises(UsageError, match="40 mm"):
        places(Sheet(layout="passport", margin=40))
    command = ["print", str(portrait), "-o", str(tmp_path / "a.pdf"), "--layout", "passport"]
    assert CliRunner().invoke(app, [*command, "--margin", "40"]).exit_code == 2


def test_colours_of_lines_are_kept_at_full_resolution(portrait: Path, tmp_path: Path) -> None:
    print_pictures([portrait], tmp_path / "a.pdf", Sheet())
    pdf = (tmp_path / "a.pdf").read_bytes()
    with Image.open(io.BytesIO(pdf[pdf.index(b"\xff\xd8\xff") :])) as stored:
        assert JpegImagePlugin.get_sampling(stored) == 0


def test_a_wide_picture_is_turned_and_pad_shows_all_of_it(tmp_path: Path) -> None:
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, :150], wide[:, 150:] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    print_pictures([tmp_path / "wide.png"], tmp_path / "turned.pdf", Sheet())
    page = rendered(tmp_path / "turned.pdf")
    top, bottom = page[len(page) // 4, page.shape[1] // 2], page[3 * len(page) // 4, page.shape[1] // 2]
    assert (top[2] > 200, bottom[0] > 200) == (True, True)
    print_pictures([tmp_path / "wide.png"], tmp_path / "padded.pdf", Sheet(fit="pad"))
    page = rendered(tmp_path / "padded.pdf")
    assert (page[len(page) // 4] > 250).all()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["me.png", "-o", "sheet.png"], 2, ".pdf"),
        (["me.png", "-o", "s.pdf", "--grid", "0x3"], 2, "--grid 2x3"),
        (["me.png", "-o", "s.pdf", "--paper", "a6", "--margin", "50"], 2, "do not fit on a6"),
        (["nobody.png", "-o", "s.pdf"], 4, "nobody.png"),
        (["text.png", "-o", "s.pdf"], 3, "text.png"),
        (["me.png", "-o", "there.pdf"], 5, "there.pdf exists"),
        (["me.png", "-o", "s.pdf", "--copies", "100", "--layout", "passport", "--paper", "a6"], 0, ""),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (60, 60), "red").save("me.png")
    Path("text.png").write_text("no picture")
    Path("there.pdf").write_bytes(b"mine")
    done = CliRunner().invoke(app, ["print", *arguments])
    assert (done.exit_code, words in done.output) == (code, True), done.output
    assert Path("there.pdf").read_bytes() == b"mine"
    assert Path("s.pdf").exists() == (code == 0)


def test_too_many_pages_are_refused_before_any_is_made(portrait: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="179 pages"):
        print_pictures([portrait] * 179, tmp_path / "s.pdf")


def test_a_passport_picture_is_about_the_face() -> None:
    picture = Image.fromarray(data.astronaut())
    cut = about_the_face(picture)
    (face,) = CascadeDetector().faces(cut)[:1]
    assert cut.width / cut.height == pytest.approx(35 / 45, abs=0.02)
    assert 0.45 < face.side / cut.height < 0.65
    assert face.centre[0] / cut.width == pytest.approx(0.5, abs=0.08)
    blank = Image.new("RGB", (300, 200), "grey")
    assert about_the_face(blank) is blank

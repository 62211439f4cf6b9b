"""The demo and the measurement of a style through the command line, on the tiny base."""

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fewshot.cli.main import app
from fewshot.demo import _check_writable, demo_recipe, name_photos, photo_views, split_hand
from fewshot.errors import BadInputError, ConflictError, UsageError
from fewshot.samples import sample_folder
from fewshot.sheets import marked, png_bytes

TINY = ["--base", "scan_tiny", "--steps", "2"]


def fewshot(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def selfie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "me.jpg"
    name_photos([])["astronaut"].crop((100, 0, 400, 300)).save(path)
    return path


def test_the_demo_adapts_draws_measures_and_its_style_stays(
    tmp_path: Path, selfie: Path, fewshot_home: Path
) -> None:
    out = tmp_path / "demo"
    code, stdout, stderr = fewshot("demo", *TINY, "--photo", selfie, "-o", out, "--format", "json")
    assert code == 0, stderr
    (record,) = json.loads(stdout)
    assert record["n"] == {"results": 8, "photos": 2, "views": 4, "drawings": 6}
    assert record["negatives"] == {"flat": 24, "pastel": 24, "riso": 24}
    assert {m["name"] for m in record["measures"]} == {
        f"{what} {how}" for what in ("style", "content") for how in ("top-1", "reciprocal rank")
    }
    assert record["measures"] == json.loads((out / "metrics.json").read_text())["measures"]
    assert record["copied"]["n_x"] == 18
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.width > sheet.height > 400
    for drawing in ("astronaut", "me"):
        with Image.open(out / f"{drawing}.png") as image:
            assert image.size == (32, 32)
    assert "no KID: 8 views of 2 photos" in stderr
    measure_the_style(tmp_path, fewshot_home)


def measure_the_style(tmp_path: Path, home: Path) -> None:
    """`eval adapter` on the style that the demo left behind."""
    sheet, written = tmp_path / "sheet.png", home / "runs" / "demo-ink" / "metrics-heldout.json"
    sides: list[str | Path] = [
        "--drawings",
        sample_folder("ink"),
        "--photos",
        sample_folder("flat"),
        "--indices",
        "0-6",
    ]
    judged: list[str | Path] = [*sides, "--others", sample_folder("riso"), "--extractor", "random"]
    code, out, err = fewshot("eval", "adapter", "demo-ink", *judged, "--sheet", sheet, "--format", "path")
    assert (code, out.split()) == (0, [str(written), str(sheet)]), err
    assert "demo-ink was learned from 18 of these 24 drawings" in " ".join(err.split())
    record = json.loads(written.read_text())
    assert record["photos"]["names"] == [f"{i:03d}" for i in range(7)]
    assert record["style"]["name"] == "demo-ink"
    assert record["measures"][0]["ratio"]["n_y"] == 7
    assert record["negatives"] == {"riso": 24}
    # Weight 0 is the base itself, so nothing may change.
    code, _, err = fewshot("eval", "adapter", "demo-ink:0", *judged)
    assert code == 0, err
    assert json.loads(written.read_text())["measures"][0]["ratio"]["high"] == 1
    # Of what others made nothing is replaced, and nothing is measured first.
    photo = tmp_path / "me.png"
    Image.open(sample_folder("flat") / "000.webp").save(photo)
    before = photo.read_bytes()
    for option in ("--sheet", "--out"):
        code, _, err = fewshot("eval", "adapter", "demo-ink", *judged, option, photo)
        assert (code, err.count("error:")) == (5, 1)
    code, _, err = fewshot("eval", "adapter", "demo-ink", *judged, "--sheet", tmp_path / "sheet.jpg")
    assert (code, photo.read_bytes()) == (2, before)
    code, _, err = fewshot("eval", "adapter", "demo-inc", *judged)
    assert (code, err.count("error:")) == (4, 1)
    assert "did you mean demo-ink" in err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--hand", "crayon"], 4, "crayon"),
        (["--photo", "nowhere.jpg"], 4, "nowhere.jpg"),
        (["--photo", "note.png"], 3, "note.png"),
        (["-o", "note.png"], 5, "note.png"),
        (["--base", "scan_tinny"], 4, "scan_tiny"),
        (["--steps", "0"], 2, "--steps"),
    ],
)
def test_bad_input_is_refused_before_any_training(
    arguments: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("note.png").write_text("not a picture")
    found, stdout, stderr = fewshot("demo", "--base", "scan_tiny", *arguments)
    assert (found, stdout, stderr.count("error:")) == (code, "", 1)
    assert says in stderr
    assert "Traceback" not in stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note.png"]


def test_what_no_demo_wrote_is_not_replaced(selfie: Path, tmp_path: Path) -> None:
    """The photo itself lies where its drawing would go; so does other work."""
    photo = tmp_path / "me.png"
    Image.open(selfie).save(photo)
    before = photo.read_bytes()
    command: list[str | Path] = ["demo", *TINY, "--photo", photo, "-o", tmp_path]
    code, _, err = fewshot(*command)
    assert (code, "me.png" in err) == (5, True)
    assert photo.read_bytes() == before
    (tmp_path / "metrics.json").write_text("{}")
    photo.rename(tmp_path / "you.jpg")
    with pytest.raises(ConflictError, match=r"metrics\.json"):
        _check_writable(tmp_path, ["astronaut"])
    for name in ("sheet", "astronaut"):
        (tmp_path / f"{name}.png").write_bytes(png_bytes(marked(Image.new("RGB", (32, 32)))))
    _check_writable(tmp_path, ["astronaut"])


def test_a_style_of_that_name_that_no_demo_made_stays(
    fewshot_home: Path, tmp_path: Path, small: ModuleType
) -> None:
    adapter = fewshot_home / "runs" / "demo-ink" / "adapter"
    small.write_template(adapter)
    before = {path.name: path.read_bytes() for path in adapter.iterdir()}
    code, _, err = fewshot("demo", *TINY, "-o", tmp_path / "demo")
    assert code == 5
    assert "there is a style 'demo-ink'" in err
    assert {path.name: path.read_bytes() for path in adapter.iterdir()} == before
    assert not (tmp_path / "demo").exists()


def test_a_quarter_of_the_hand_is_never_trained_on() -> None:
    training, unseen = split_hand(sample_folder("riso"))
    assert (len(training), len(unseen)) == (18, 6)
    assert not set(training) & set(unseen)


def test_the_four_views_differ_and_keep_the_face() -> None:
    whole, mirrored, closer, looser = photo_views(name_photos([])["astronaut"], 64).astype(int)
    assert np.array_equal(whole, mirrored[:, :, ::-1])
    for other in (mirrored, closer, looser):
        assert np.abs(whole - other).mean() > 5


def test_two_photos_of_one_name_both_count(selfie: Path) -> None:
    assert list(name_photos([selfie, selfie])) == ["astronaut", "me", "me-2"]


def test_the_recipe_is_quick_with_fewer_steps() -> None:
    assert (demo_recipe(2).steps, demo_recipe(2).eval_every, demo_recipe(1).warmup_steps) == (2, 2, 0)
    assert demo_recipe(None).steps == 600
    with pytest.raises(UsageError, match="0 steps"):
        demo_recipe(0)


def test_a_bad_photo_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(BadInputError, match=r"cut\.jpg"):
        name_photos([path])

"""`fewshot check`: each finding on scripted drawings, the cleaned copy, and what the verb prints."""

import errno
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from fewshot.cli.check import check
from fewshot.data.check import check_folder
from fewshot.data.fix import fix_folder
from fewshot.data.pictures import list_pictures, open_picture
from fewshot.errors import BadInputError, ConflictError
from fewshot.samples import sample_folder, sample_hands


def verdicts(folder: Path) -> dict[str, str]:
    return {picture.path.name: picture.verdict for picture in check_folder(folder).pictures}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_one_scripted_hand_is_clean(tmp_path: Path, makers: ModuleType) -> None:
    report = check_folder(makers.fill_drawings(tmp_path, 16))
    assert report.clean
    assert len(report.usable) == 16


def test_every_unusable_file_is_named(tmp_path: Path, makers: ModuleType) -> None:
    found = verdicts(makers.fill(tmp_path, makers.BAD | makers.ODD))
    assert {name for name, verdict in found.items() if verdict == "unreadable"} == set(makers.BAD)


def test_copies_near_copies_and_mirrored_ones(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill_drawings(tmp_path, 8)
    one = open_picture(tmp_path / "ink-02.png")
    shutil.copy(tmp_path / "ink-02.png", tmp_path / "x-same.png")
    one.resize((140, 182)).save(tmp_path / "x-near.jpg", quality=70)
    one.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "x-mirror.png")
    report = check_folder(tmp_path)
    found = {picture.path.name: picture for picture in report.pictures}
    assert found["x-same.png"].verdict == "duplicate"
    assert found["x-near.jpg"].verdict == found["x-mirror.png"].verdict == "near-duplicate"
    assert "mirrored copy of ink-02.png" in found["x-mirror.png"].findings[0].message
    repeated = {name for name, picture in found.items() if "duplicate" in picture.verdict}
    assert repeated == {"x-same.png", "x-near.jpg", "x-mirror.png"}
    assert not found["x-same.png"].usable
    assert found["x-near.jpg"].usable


def test_small_drawing_is_told(tmp_path: Path, makers: ModuleType) -> None:
    makers.drawing(size=(100, 200)).save(tmp_path / "a.png")
    assert verdicts(tmp_path) == {"a.png": "tiny"}


def test_foreign_drawing_is_odd(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill_drawings(tmp_path, 15)
    makers.fill_drawings(tmp_path, 1, "paint")
    report = check_folder(tmp_path)
    odd = [picture for picture in report.pictures if picture.verdict == "odd-one-out"]
    assert [picture.path.name for picture in odd] == ["paint-00.png"]
    assert "unlike the others" in odd[0].findings[0].message
    assert "soft" in odd[0].findings[0].message


def test_two_hands_are_told_apart(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill_drawings(tmp_path, 12)
    makers.fill_drawings(tmp_path, 8, "paint")
    found = verdicts(tmp_path)
    assert {name for name, verdict in found.items() if verdict == "two-hands"} == {
        f"paint-{i:02d}.png" for i in range(8)
    }


@pytest.mark.parametrize("hand", sample_hands())
def test_grounds_of_one_hand_are_no_second_hand(hand: str) -> None:
    report = check_folder(sample_folder(hand))
    assert not report.hands.flagged
    assert "two-hands" not in {picture.verdict for picture in report.pictures}


def test_what_tells_two_hands_apart_is_said_once(tmp_path: Path) -> None:
    for hand in ("ink", "riso"):
        for file in sorted(sample_folder(hand).glob("*.webp"))[:10]:
            shutil.copy(file, tmp_path / f"{hand}-{file.name}")
    flagged = [picture for picture in check_folder(tmp_path).pictures if picture.verdict == "two-hands"]
    assert len({picture.path.name.partition("-")[0] for picture in flagged}) == 1
    assert len(flagged) == 10
    (hint,) = {picture.findings[0].hint for picture in flagged}
    assert hint.startswith("10 of 20 drawings show ")


def test_cleaned_copy_holds_the_usable_pictures(tmp_path: Path, makers: ModuleType) -> None:
    source = makers.fill(tmp_path / "in", makers.BAD | makers.ODD)
    shutil.copy(source / "grey.png", source / "grey.tif")
    makers.drawing(9).convert("L").save(source / "grey.gif")
    before = snapshot(source)
    report = check_folder(source)
    written = fix_folder(report, tmp_path / "new" / "out")
    assert snapshot(source) == before
    assert sorted(written) == sorted(list_pictures(tmp_path / "new" / "out"))
    assert len(written) == len(report.usable)
    again = check_folder(tmp_path / "new" / "out")
    assert all(not picture.changes and picture.usable for picture in again.pictures)
    assert {p.hash for p in again.pictures} == {p.hash for p in report.usable}
    plain = "my best drawing (2).png"
    assert (tmp_path / "new" / "out" / plain).read_bytes() == (source / plain).read_bytes()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_converted_drawings_take_no_name_that_is_there(tmp_path: Path, makers: ModuleType) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number, name in enumerate(("a.png", "a.tif.png")):
        makers.drawing(number).save(source / name)
    makers.drawing(2).convert("L").save(source / "a.tif")
    written = fix_folder(check_folder(source), tmp_path / "out")
    assert sorted(path.name for path in written) == ["a.png", "a.tif-2.png", "a.tif.png"]
    assert len(set(written)) == len(list((tmp_path / "out").iterdir())) == 3


def test_existing_or_inner_destination_is_refused(tmp_path: Path, makers: ModuleType) -> None:
    source = makers.fill_drawings(tmp_path / "in", 2)
    report = check_folder(source)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for dest in (tmp_path / "full", source, source / "out"):
        with pytest.raises(ConflictError):
            fix_folder(report, dest)
    assert snapshot(tmp_path / "full") == {"mine.txt": b"mine"}
    (tmp_path / "bare").mkdir()
    assert len(fix_folder(report, tmp_path / "bare")) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_failed_write_leaves_nothing_behind(
    tmp_path: Path, makers: ModuleType, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = check_folder(makers.fill_drawings(tmp_path / "in", 3))
    copy, calls = shutil.copyfile, []

    def fails_second(source: Path, target: Path) -> Path:
        calls.append(source)
        if len(calls) == 2:
            target.write_bytes(b"half")
            raise OSError(number, "no", str(target))
        return Path(copy(source, target))

    monkeypatch.setattr(shutil, "copyfile", fails_second)
    with pytest.raises(BadInputError, match="cannot write"):
        fix_folder(report, tmp_path / "new" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_verb_prints_data_on_stdout_and_the_rest_on_stderr(tmp_path: Path, makers: ModuleType) -> None:
    app = typer.Typer()
    app.command()(check)
    makers.fill_drawings(tmp_path / "in", 6)
    (tmp_path / "in" / "bad [red].png").write_text("no")
    odd = Image.new("RGB", (300, 300), "orange")
    odd.paste("brown", (140, 140, 160, 160))
    odd.save(tmp_path / "in" / "odd.png")
    run = CliRunner().invoke(app, [str(tmp_path / "in"), "--format", "json"])
    rows = json.loads(run.stdout)
    assert run.exit_code == 3
    assert [row["verdict"] for row in rows] == ["unreadable"] + ["ok"] * 6 + ["odd-one-out"]
    assert "7 of 8 pictures can be used" in run.stderr
    table = CliRunner().invoke(app, [str(tmp_path / "in")], env={"COLUMNS": "80"})
    assert max(map(len, table.stdout.splitlines())) <= 80
    assert "bad [red].png" in table.stdout
    assert "ink-00.png" not in table.stdout
    assert "--fix DEST" in table.stderr
    arguments = [str(tmp_path / "in"), "--fix", str(tmp_path / "out"), "--format", "path"]
    fixed = CliRunner().invoke(app, arguments)
    assert fixed.exit_code == 0
    assert len(fixed.stdout.splitlines()) == len(list((tmp_path / "out").iterdir())) == 7
    assert "not used" not in table.stderr
    (tmp_path / "in" / "more").mkdir()
    makers.drawing().save(tmp_path / "in" / "more" / "a.png")
    again = CliRunner().invoke(app, [str(tmp_path / "in")])
    assert "pictures in folders inside it are not used: more/ (1)" in " ".join(again.stderr.split())
    # What is odd is kept, and that is said.
    assert f"7 pictures written to {tmp_path / 'out'}; 1 of them in spite of a warning" in fixed.stderr
    (tmp_path / "out" / "odd.png").unlink()
    clean = CliRunner().invoke(app, [str(tmp_path / "out")])
    assert (clean.exit_code, clean.stdout) == (0, "")
    assert "6 of 6 pictures can be used, nothing stands out" in clean.stderr

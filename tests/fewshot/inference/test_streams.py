"""Standard input and output, and folders that are gone on with."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

MakePhoto = Callable[..., Path]


def fewshot(
    home: Path, *arguments: str, stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    environment = dict(os.environ, FEWSHOT_HOME=str(home))
    return subprocess.run(
        [sys.executable, "-m", "fewshot.cli.main", *arguments],
        input=stdin,
        capture_output=True,
        env=environment,
        cwd=cwd,
        check=False,
    )


@pytest.fixture(scope="module")
def astronaut() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_photo_comes_through_a_pipe_and_leaves_through_one(fewshot_home: Path, astronaut: bytes) -> None:
    done = fewshot(
        fewshot_home, "stylize", "-", "--base", "scan_tiny", "--crop", "face", "-o", "-", stdin=astronaut
    )
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(done.stdout)) as drawing:
        assert (drawing.format, drawing.size) == ("PNG", (32, 32))


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        (["-", "-o", "-"], b"", 3, b"standard input is empty"),
        (["-", "-o", "-"], b"GIF89a no picture", 3, b"standard input"),
        (["-", "me.png", "-o", "out"], b"x", 2, b"cannot be mixed"),
        (["-", "-o", "folder"], b"x", 2, b"has no name"),
        (["me.png", "you.png", "-o", "-"], b"", 2, b"do not fit"),
    ],
)
def test_mistakes_with_streams(
    fewshot_home: Path,
    make_photo: MakePhoto,
    tmp_path: Path,
    arguments: list[str],
    stdin: bytes,
    code: int,
    words: bytes,
) -> None:
    make_photo("me.png", 40, 40)
    make_photo("you.png", 40, 40)
    done = fewshot(fewshot_home, "stylize", *arguments, "--base", "scan_tiny", stdin=stdin, cwd=tmp_path)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_a_folder_is_gone_on_with(fewshot_home: Path, make_photo: MakePhoto, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a", "b", "c"):
        make_photo(f"photos/{name}.png", 40, 40)
    (photos / "bad.png").write_bytes(b"no picture")
    command = ["stylize", str(photos), "--base", "scan_tiny", "-o", str(tmp_path / "out"), "--format", "path"]
    assert fewshot(fewshot_home, *command).returncode == 3
    first = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert sorted(first) == ["a.png", "b.png", "c.png"]
    (tmp_path / "out" / "b.png").unlink()
    again = fewshot(fewshot_home, *command, "--resume")
    assert again.stdout.decode().split() == [str(tmp_path / "out" / "b.png")]
    assert b"2 were drawn already" in again.stderr
    assert b"bad.png" in again.stderr
    second = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert {name for name in first if second[name] != first[name]} == {"b.png"}

"""`fewshot stylize` as a person runs it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fewshot.adapters.adapter import Adapter

Cli = Callable[..., subprocess.CompletedProcess[str]]
MakePhoto = Callable[..., Path]
MakeStyle = Callable[..., Adapter]


def test_a_folder_is_drawn_in_a_blend(
    cli: Cli, make_photo: MakePhoto, make_style: MakeStyle, tmp_path: Path
) -> None:
    make_style("ink", seed=1)
    make_style("墨絵", seed=2)
    make_photo("my photos/a b.png")
    make_photo("my photos/写真.jpg")
    (tmp_path / "my photos" / "broken.png").write_text("no picture")
    done = cli(
        "stylize", "my photos", "--style", "ink:0.6", "--style", "墨絵:0.4", "-o", "out", "--format", "path"
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines() == [str(Path("out") / "a b.png"), str(Path("out") / "写真.jpg")]
    for line in done.stdout.splitlines():
        with Image.open(tmp_path / line) as image:
            assert image.size == (32, 32)
    assert "broken.png" in done.stderr
    assert "2 of 3 drawn with ink:0.6 + 墨絵:0.4" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_tells_drawings_and_failures(
    cli: Cli, make_photo: MakePhoto, make_style: MakeStyle, tmp_path: Path
) -> None:
    make_style("ink")
    make_photo("a.png")
    done = cli(
        *("stylize", "a.png", "gone.png", "--style", "ink", "-o", "out"),
        *("--crop", "center", "--size", "64", "--format", "json"),
    )
    assert done.returncode == 3
    first, second = json.loads(done.stdout)
    assert (first["path"], first["width"], first["error"]) == (str(Path("out") / "a.png"), 64, None)
    assert second["path"] is None
    assert "gone.png" in second["error"]


def test_where_nothing_would_be_drawn_nothing_is_written(
    cli: Cli, make_photo: MakePhoto, make_style: MakeStyle, tmp_path: Path
) -> None:
    """Noise has no face, and all but faces is kept: --background alone asks for whole pictures."""
    make_style("ink")
    make_photo("a.png")
    done = cli("stylize", "a.png", "--style", "ink", "--background", "keep", "-o", "out.png")
    assert done.returncode == 3, done.stderr
    assert "a.png: no face was found" in done.stderr
    assert "leave --background out" in done.stderr
    assert not (tmp_path / "out.png").exists()


def test_a_style_given_twice_is_refused(cli: Cli, make_photo: MakePhoto, make_style: MakeStyle) -> None:
    make_style("ink")
    make_photo("a.png")
    done = cli("stylize", "a.png", "--style", "ink", "--style", "ink:0.5", "-o", "out.png")
    assert done.returncode == 2, done.stderr
    assert "--style ink is given twice" in done.stderr


def flip_a_byte(adapter: Adapter) -> None:
    path = adapter.folder / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ("a.png", "--style", "damaged", "-o", "x.png"),
            6,
            ("adapter_model.safetensors", "damaged or changed"),
        ),
        (
            ("a.png", "--style", "other", "--base", "scan_tiny", "-o", "x.png"),
            6,
            ("scan_128", "scan_tiny", "--base"),
        ),
        (("a.png", "--style", "withdrawn", "-o", "x.png"), 6, ("consent is withdrawn",)),
        (("a.png", "--style", "wihtdrawn", "-o", "x.png"), 4, ("did you mean withdrawn?",)),
        (("a.png", "--style", "other:3", "-o", "x.png"), 2, ("outside 0..2",)),
        (("gone.png", "--style", "other", "-o", "x.png"), 4, ("gone.png", "no such file")),
        (("a.png", "--style", "other", "-o", "a.png/x"), 2, ("a.png is a file",)),
        (
            ("a.png", "--style", "other", "--crop", "face", "--background", "plain", "-o", "x.png"),
            2,
            ("--background", "--crop face"),
        ),
    ],
    ids=[
        "flipped byte",
        "other base",
        "withdrawn",
        "typo",
        "weight",
        "missing photo",
        "file as folder",
        "background",
    ],
)
def test_what_is_wrong_is_said_in_words(
    cli: Cli,
    make_photo: MakePhoto,
    make_style: MakeStyle,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    words: tuple[str, ...],
) -> None:
    make_photo("a.png")
    flip_a_byte(make_style("damaged"))
    make_style("withdrawn", consent="withdrawn")
    make_style("other", base_name="scan_128")
    done = cli("stylize", *arguments)
    assert done.returncode == code, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "x.png").exists()

"""One ONNX file: it draws what the engine draws, alone, and says what is in it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import skimage.data
from PIL import Image
from typer.testing import CliRunner

from fewshot.adapters.adapter import Adapter
from fewshot.cli.main import app
from fewshot.inference.engine import load_blend, open_engine

MakeStyle = Callable[..., Adapter]


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def test_a_blend_is_one_file_that_draws_alone(make_style: MakeStyle, tmp_path: Path) -> None:
    make_style("ink", seed=1)
    make_style("oil", seed=2)
    path = tmp_path / "both.onnx"
    code, _ = run("export", "ink:0.6", "oil:0.4", "-o", str(path))
    assert code == 0
    onnx.checker.check_model(str(path), full_check=True)
    shape = (2, 48, 64, 3)
    photos = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (drawn,) = onnxruntime.InferenceSession(path).run(["drawing"], {"photo": photos})
    engine = open_engine(*load_blend(["ink:0.6", "oil:0.4"], None), "torch")
    engine.size = 48
    theirs = engine.stylize(photos.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert np.abs(drawn.astype(int) - theirs).max() <= 2


def test_the_file_and_its_card_say_what_they_are(make_style: MakeStyle, tmp_path: Path) -> None:
    ink = make_style("ink")
    path = tmp_path / "ink.onnx"
    assert run("export", "ink:0.5", "-o", str(path))[0] == 0
    facts = json.loads(onnx.load(str(path)).metadata_props[0].value)
    assert facts["base"]["name"] == "scan_tiny"
    assert facts["styles"][0] == {
        "name": "ink",
        "weight": 0.5,
        "sha256": ink.sha256,
        "licence": "CC0-1.0",
        "consent": "granted",
    }
    card = path.with_suffix(".md").read_text()
    for words in ("`ink` 0.5", "CC0-1.0", "granted", facts["base"]["sha256"], "multiples of"):
        assert words in card


def test_the_cards_example_runs(tmp_path: Path) -> None:
    assert run("base", "export", "scan_128.anime", "-o", str(tmp_path / "anime.onnx"))[0] == 0
    card = (tmp_path / "anime.md").read_text()
    assert "research use" in card
    code = card.partition("```python\n")[2].partition("```")[0]
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "face.png")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "drawing.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["export", "ink", "-o", "ink.pt"], 2, ".onnx"),
        (["export", "nobody", "-o", "x.onnx"], 4, "no style 'nobody'"),
        (["export", "gone", "-o", "x.onnx"], 6, "withdrawn"),
        (["base", "export", "scan_129", "-o", "x.onnx"], 4, "scan_128"),
    ],
)
def test_mistakes(
    make_style: MakeStyle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_style("ink")
    make_style("gone", seed=1, consent="withdrawn")
    found, output = run(*arguments)
    assert (found, words in output) == (code, True), output
    assert not list(tmp_path.glob("*.onnx"))


def test_nothing_is_overwritten_unasked(make_style: MakeStyle, tmp_path: Path) -> None:
    make_style("ink")
    path = tmp_path / "ink.onnx"
    path.with_suffix(".md").write_text("mine")
    assert run("export", "ink", "-o", str(path))[0] == 5
    assert path.with_suffix(".md").read_text() == "mine"
    assert run("export", "ink", "-o", str(path), "--overwrite")[0] == 0

"""What `fewshot select` refuses: a message, a hint, an exit code, and never a traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fewshot.cli.main import app
from fewshot.home import home

Drawings = Callable[..., Path]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--recipes", "quikc"], 4, "did you mean 'quick'"),
        (["--knob", "lrr=1e-3..1e-2"], 3, "did you mean 'lr'"),
        (["--knob", "lr=1e-3..7"], 3, "at most 0.1"),
        (["steps=many"], 3, "whole number"),
        (["--db", "sqlite:///x.db"], 2, "expected a PostgreSQL URL"),
        (
            ["--db", "postgresql://a:secret@127.0.0.1:9/b"],
            4,
            "no database at postgresql://a:***@127.0.0.1:9/b",
        ),
        (["--study", "a/b"], 2, "contains '/'"),
        (["--base", "scan_tyni"], 4, "scan_tiny"),
        (["--photos", "nowhere"], 4, "nowhere"),
        (["--folds", "1"], 2, "folds"),
        (["--minutes", "0"], 2, "minutes"),
    ],
)
def test_a_mistake_is_named(arguments: list[str], code: int, words: str, drawings: Drawings) -> None:
    given = ["select", str(drawings(5)), "--no-retrain", "--base", "scan_tiny", "--recipes", "quick"]
    result = CliRunner().invoke(app, [*given, *arguments])
    assert result.exit_code == code, result.stderr
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert "secret" not in result.stderr
    assert result.stdout == ""
    assert not list((home() / "studies").glob("*/trials"))


def test_folders_without_drawings_and_styles_without_name_are_refused(
    tmp_path: Path, drawings: Drawings
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder, name, code in ((empty, "x", 3), (tmp_path / "gone", "x", 4), (drawings(5), "", 2)):
        options = ["--name", name] if name else []
        result = CliRunner().invoke(app, ["select", str(folder), "--base", "scan_tiny", *options])
        assert result.exit_code == code, result.stderr
        assert "Traceback" not in result.stderr
    assert not (home() / "studies").exists()

"""Help is shown as it was written: nothing of it is taken for markup, and paragraphs flow."""

import itertools
import re
from collections.abc import Iterator

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from fewshot.cli.main import app


def commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


ALL = dict(commands(get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_word_of_an_option_is_shown(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = re.sub(r"[\s│`]+", "", CliRunner().invoke(app, [*path, "--help"]).output)
    for option in getattr(ALL[path], "params", []):
        for word in (getattr(option, "help", None) or "").split():
            assert word.replace("`", "") in shown, f"{' '.join(path)} --{option.name}: {word} is lost"


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_paragraphs_flow(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line ends early only where the next word would not have fitted."""
    monkeypatch.setenv("COLUMNS", "80")
    text = CliRunner().invoke(app, [*path, "--help"]).output.split("╭")[0]
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
        for line, following in itertools.pairwise(lines):
            assert len(line) + 1 + len(following.split()[0]) > 70, line

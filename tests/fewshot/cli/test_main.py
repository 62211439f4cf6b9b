"""The command itself: start-up time, help, and how every kind of failure ends."""

import errno
import os
import resource
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fewshot import __version__
from fewshot.cli.failures import VerbGroup, describe
from fewshot.cli.main import app
from fewshot.errors import IntegrityError

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_help_comes_within_half_a_second(cli: Cli) -> None:
    """Counts CPU seconds, which are the command's own; the clock also counts what else the machine runs."""
    costs = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = cli("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert result.returncode == 0
    assert statistics.median(costs) < 0.5, costs
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_the_console_script_is_this_command(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("fewshot")
    result = subprocess.run([script, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout == f"fewshot {__version__}\n"


def test_every_verb_has_help() -> None:
    for command in app.registered_commands:
        result = CliRunner().invoke(app, [str(command.name), "--help"])
        assert result.exit_code == 0, result.output
    for group in app.registered_groups:
        result = CliRunner().invoke(app, [str(group.name), "--help"])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["recipes", "nothing"], ["env", "--colour"], ["env", "--format", "path"]]
)
def test_wrong_usage_ends_with_two(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage" in result.stderr


def test_a_near_miss_is_suggested(cli: Cli) -> None:
    assert "recipes" in cli("recipe", "ls").stderr.split("Did you mean", 1)[1]


class Foreign(Exception):
    """An error of another package, with the two attributes that the command reads."""

    hint = "do this"
    exit_code = 4


def failing(error: BaseException) -> typer.Typer:
    verbs = typer.Typer(cls=VerbGroup)

    @verbs.command()
    def fail() -> None:
        raise error

    @verbs.command()
    def other() -> None:
        """Typer makes a group only of two commands or more."""

    return verbs


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (
            IntegrityError("hash differs", "fetch it again"),
            6,
            ["error: hash differs", "hint: fetch it again"],
        ),
        (IntegrityError("no hint"), 6, ["error: no hint"]),
        (Foreign("gone"), 4, ["error: gone", "hint: do this"]),
        (KeyboardInterrupt(), 130, ["interrupted"]),
        (OSError(errno.ENOSPC, "x", "/data/f"), 3, ["error: /data/f: the disk is full"]),
        (OSError(errno.EROFS, "x", "/data/f"), 3, ["error: /data/f: the file system is read-only"]),
        (PermissionError(errno.EACCES, "x", "/data/f"), 3, ["error: /data/f: permission denied"]),
        (FileNotFoundError(errno.ENOENT, "x", "/f"), 4, ["error: /f: no such file or folder"]),
        (
            RuntimeError("I/O error: No space left on device (os error 28)"),
            3,
            ["error: the disk is full"],
        ),
        (MemoryError(), 3, ["error: not enough memory"]),
        (KeyError("lost"), 1, ["error: unexpected KeyError: 'lost'"]),
        (ZeroDivisionError(), 1, ["error: unexpected ZeroDivisionError"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_failures_end_with_a_message_and_a_code(error: BaseException, code: int, lines: list[str]) -> None:
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.splitlines()[: len(lines)] == lines
    assert "Traceback" not in result.stderr
    if code == 1:
        assert "FEWSHOT_TRACEBACK=1" in result.stderr


def test_a_full_disk_is_recognised_behind_another_error() -> None:
    wrapped = RuntimeError("writer failed")
    wrapped.__context__ = OSError(errno.ENOSPC, "No space left", "w.pt")
    assert describe(wrapped)[::2] == ("w.pt: the disk is full", 3)


def test_the_traceback_is_shown_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWSHOT_TRACEBACK", "1")
    result = CliRunner().invoke(failing(KeyError("lost")), ["fail"])
    assert "Traceback (most recent call last)" in result.stderr
    assert result.exit_code == 1


def test_ctrl_c_ends_with_one_line_and_130(fewshot_home: Path) -> None:
    pipe = fewshot_home / "recipes" / "slow.toml"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "fewshot.cli.main", "recipes", "ls"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with pipe.open("w"):  # Opens once the verb reads the recipe, which then never ends.
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m fewshot.cli.main recipes cat quick | head -c 10"
    result = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert len(result.stdout) == 10
    assert "Traceback" not in result.stderr

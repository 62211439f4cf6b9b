"""Tables, JSON, paths, notices and progress."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fewshot import output

ROWS = [
    {"name": "日本", "kid": np.float32(0.012345), "n": np.int64(28), "ok": True, "path": Path("a/b c.png")},
    {"name": "[red]x[/red]" + "y" * 90, "kid": float("nan"), "n": 3, "ok": False, "path": Path("d.png")},
]


def test_a_table_fits_eighty_columns_and_shows_everything(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(ROWS, ["name", "kid", "n", "ok"])
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "0.01235" in out
    assert "[red]x[/red]" in out
    assert out.count("y") == 90 + "yes".count("y")


def test_json_is_one_array_of_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(ROWS, ["name", "kid", "n", "ok", "path", "absent"], "json")
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "name": "日本",
        "kid": pytest.approx(0.012345),
        "n": 28,
        "ok": True,
        "path": "a/b c.png",
        "absent": None,
    }
    assert second["kid"] is None


@pytest.mark.parametrize("format", ["table", "json", "path"])
def test_no_rows_are_no_error(format: output.Format, capsys: pytest.CaptureFixture[str]) -> None:
    output.emit([], ["name"], format)
    out = capsys.readouterr().out
    assert (json.loads(out) == []) if format == "json" else "None" not in out


def test_paths_come_one_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(ROWS, ["name"], "path")
    assert capsys.readouterr().out == "a/b c.png\nd.png\n"


def test_a_row_without_path_cannot_be_printed_as_one() -> None:
    with pytest.raises(ValueError, match="needs a 'path'"):
        output.emit([{"name": "x"}], ["name"], "path")


def test_notices_go_to_stderr_without_markup(capsys: pytest.CaptureFixture[str]) -> None:
    output.notice("a [bold]b[/bold] " + "c" * 100)
    output.warn("d")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"a [bold]b[/bold] {'c' * 100}\nwarning: d\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (0.000012345, "1.234e-05"),
        (12345.6, "12346"),
        ([1, 2.5], "1, 2.5"),
        ("é", "é"),
    ],
)
def test_values_in_tables(value: object, text: str) -> None:
    assert output.format_value(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (4320, "1 h 12 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert output.format_seconds(seconds) == text


def test_plain_progress_prints_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("adapting", 1000) as bar:
        for step in range(1000):
            bar.update(step + 1, loss=0.5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "adapting ..."
    assert lines[-1].startswith("adapting: 1000/1000 (100 %), ")
    assert lines[-1].endswith("loss 0.5")
    assert len(lines) == 2


def test_plain_progress_prints_again_after_the_interval(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "PLAIN_INTERVAL", 0.0)
    with output.progress("adapting", 3) as bar:
        for step in range(3):
            bar.update(step + 1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ")[1] for line in lines[1:]] == ["1/3", "2/3", "3/3"]
    assert " left" in lines[1]


def test_a_failing_job_keeps_its_exception_and_its_last_state(capsys: pytest.CaptureFixture[str]) -> None:
    def fail_at(step: int) -> None:
        with output.progress("adapting", 10) as bar:
            bar.update(step)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail_at(4)
    assert "adapting: 4/10 (40 %)" in capsys.readouterr().err


def test_a_resumed_job_does_not_count_old_steps_in_its_rate() -> None:
    bar = output.PlainProgress("adapting", 110, start=100)
    assert bar.seconds_left() is None
    bar._began -= 10
    bar.update(105)
    assert bar.seconds_left() == pytest.approx(10, abs=0.5)


def on_a_terminal(code: str, **environment: str) -> str:
    """Run Python code with stderr on a pseudo-terminal and return what the terminal received."""
    leader, follower = pty.openpty()
    variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "CI", "COLUMNS")}
    variables |= {"TERM": "xterm-256color"} | environment
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=follower,
        env=variables,
    )
    os.close(follower)
    received = b""
    try:
        while chunk := os.read(leader, 4096):
            received += chunk
    except OSError:
        pass  # Linux reports the closed terminal as an error instead of an end.
    os.close(leader)
    assert process.stdout is not None
    assert process.stdout.read() == b""
    process.stdout.close()
    assert process.wait() == 0
    return received.decode()


BAR = """
from fewshot.output import progress, warn
with progress("adapting", 2) as bar:
    bar.update(2, loss=0.5)
warn("w")
"""


def test_a_terminal_gets_a_bar_in_colour() -> None:
    shown = on_a_terminal(BAR)
    assert "2/2" in shown
    assert "loss 0.5" in shown
    assert "━" in shown
    assert "\x1b[33mwarning: w" in shown


def test_no_colour_where_none_is_wanted() -> None:
    shown = on_a_terminal(BAR, NO_COLOR="1")
    assert "2/2" in shown
    assert "\x1b[33m" not in shown

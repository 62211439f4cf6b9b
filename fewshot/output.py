"""What the toolkit prints: data on stdout, everything else on stderr.

Notices, warnings and progress go through `console`, so that a command's stdout stays clean for pipes. `emit`
is the only function that writes to stdout. Colour follows rich: none when `NO_COLOR` is set or stderr is no
terminal.
"""

import json
import math
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from rich.console import Console

Format = Literal["table", "json", "path"]
TableFormat = Literal["table", "json"]
"""Of what has no path."""

PLAIN_INTERVAL = 5.0

console = Console(stderr=True, highlight=False, emoji=False)


def notice(text: str) -> None:
    """Print one line for the person at the keyboard on stderr; `text` is printed as it is, without markup."""
    console.print(text, markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print `warning: text` on stderr."""
    console.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)


def emit(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    format: Format = "table",
    whole: Collection[str] = (),
) -> None:
    """Write rows to stdout.

    Args:
        rows: one mapping per row; a missing column is shown empty (table) or as null (json).
        columns: the keys to show, in order.
        format: `table` for reading, `json` for one array of objects, `path` for the `path` value of each row,
            one per line.
        whole: columns that a table never breaks over lines.

    Raises:
        ValueError: for another format, or for `path` when a row has no `path`.
    """
    if format == "table":
        _emit_table(rows, columns, whole)
    elif format == "json":
        records = [{column: _plain(row.get(column)) for column in columns} for row in rows]
        sys.stdout.write(json.dumps(records, indent=2) + "\n")
    elif format == "path":
        for row in rows:
            if row.get("path") is None:
                raise ValueError(f"format 'path' needs a 'path' in every row, got only {sorted(row)}")
            sys.stdout.write(f"{row['path']}\n")
    else:
        raise ValueError(f"unknown format {format!r}: expected table, json or path")


def _emit_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], whole: Collection[str]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = bool(rows) and all(isinstance(_plain(row.get(column)), int | float) for row in rows)
        kept = column in whole or numeric
        longest = max((len(format_value(row.get(column))) for row in rows), default=0)
        table.add_column(
            Text(column),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=kept,
            min_width=max(longest, len(column)) if kept else None,
        )
    for row in rows:
        table.add_row(*(Text(format_value(row.get(column))) for column in columns))
    out = Console(file=sys.stdout, highlight=False, emoji=False)
    out.print(table)


def format_value(value: Any) -> str:
    """Return `value` as a table shows it: four significant digits, `yes`/`no`, empty for None."""
    value = _plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    if isinstance(value, list):
        return ", ".join(format_value(item) for item in value)
    return str(value)


def _plain(value: Any) -> Any:
    """Return what JSON can hold: numpy scalars and arrays as Python numbers, paths as text, NaN as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


class Progress:
    """One running job; `update` may be called as often as the job likes, drawing is rate-limited here."""

    def __init__(self, description: str, total: int, start: int = 0) -> None:
        self.description = description
        self.total = total
        """Steps of the whole job; may be set later by a job that learns its size on the way."""
        self.start = start
        self.done = start
        self.numbers = ""
        self.most: float | None = None
        """Seconds after which the job will stop, however far it came; None: when it is done."""
        self._began = time.monotonic()

    def update(self, done: int, **numbers: float | int | str) -> None:
        """Record that `done` of `total` are finished; `numbers` (losses, scores) are shown behind the bar."""
        self.done = done
        if numbers:
            self.numbers = "  ".join(f"{name} {format_value(value)}" for name, value in numbers.items())
        self._draw()

    def seconds_left(self) -> float | None:
        """Return the estimated seconds to the end from the mean rate so far, None before the first step."""
        steps = self.done - self.start
        if steps <= 0:
            return None
        gone = time.monotonic() - self._began
        left = gone / steps * max(self.total - self.done, 0)
        return left if self.most is None else min(left, max(0.0, self.most - gone))

    def _draw(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Leave the last state on the screen and stop drawing."""
        raise NotImplementedError


class PlainProgress(Progress):
    """Progress for logs and pipes: a line at the start, at the end, and every `PLAIN_INTERVAL` seconds."""

    def __init__(self, description: str, total: int, start: int = 0) -> None:
        super().__init__(description, total, start)
        self._printed_at = time.monotonic()
        self._printed_done = start
        notice(f"{description} ...")

    def _line(self) -> str:
        percent = 100 * self.done / self.total if self.total else 100.0
        left = self.seconds_left()
        clock = f"{format_seconds(time.monotonic() - self._began)} gone"
        if left is not None and self.done < self.total:
            clock += f", {format_seconds(left)} left"
        text = f"{self.description}: {self.done}/{self.total} ({percent:.0f} %), {clock}"
        return f"{text}  {self.numbers}" if self.numbers else text

    def _draw(self) -> None:
        if time.monotonic() - self._printed_at >= PLAIN_INTERVAL:
            self._print()

    def _print(self) -> None:
        self._printed_at, self._printed_done = time.monotonic(), self.done
        notice(self._line())

    def close(self) -> None:
        if self.done != self._printed_done:
            self._print()


class BarProgress(Progress):
    """Progress for a terminal: a rich bar with the time left."""

    def __init__(self, description: str, total: int, start: int = 0) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        super().__init__(description, total, start)
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=console,
        )
        self._task = self._bar.add_task(description, total=total, completed=start, numbers="", left="")
        self._bar.start()

    def _draw(self) -> None:
        seconds = self.seconds_left()
        left = "" if seconds is None or self.done >= self.total else f"{format_seconds(seconds)} left"
        self._bar.update(self._task, total=self.total, completed=self.done, numbers=self.numbers, left=left)

    def close(self) -> None:
        self._bar.stop()


@contextmanager
def progress(description: str, total: int, start: int = 0) -> Iterator[Progress]:
    """Show how far a job is and how long it will take, on stderr.

    Args:
        description: what runs, in a few words.
        total: how many steps the whole job has.
        start: how many of them were done before (a resumed run), so that the time left is not flattered.

    Yields:
        an object whose `update(done, **numbers)` is called after each step.
    """
    bar = (BarProgress if console.is_terminal else PlainProgress)(description, total, start)
    try:
        yield bar
    finally:
        bar.close()


def format_seconds(seconds: float) -> str:
    """Return a duration as `7 s`, `3 min 05 s` or `1 h 12 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"

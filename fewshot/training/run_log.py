"""`log.jsonl` of a run: one line of numbers for every look, each step once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from fewshot.files import atomic_write_text


class RunLog:
    """The log of one run; only its main process writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def clear(self) -> None:
        """Begin anew."""
        self.path.unlink(missing_ok=True)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add a line, whole or not at all."""
        atomic_write_text(self.path, "".join([*self._lines(), json.dumps({"step": step, **values}) + "\n"]))

    def forget_after(self, step: int) -> None:
        """Drop what was logged after a state was saved and will be logged again."""
        if lines := self._lines():
            atomic_write_text(self.path, "".join(line for line in lines if json.loads(line)["step"] <= step))

    def _lines(self) -> list[str]:
        return self.path.read_text("utf-8").splitlines(keepends=True) if self.path.exists() else []

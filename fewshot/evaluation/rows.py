"""One measured number as a row: for the table, for JSON, and the remarks that go with a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.features import Extractor
from eval.intervals import Estimate
from fewshot.evaluation.sources import Gathered

COLUMNS = ("measure", "value", "low", "high", "n", "extractor")
"""Of a table."""


@dataclass(frozen=True)
class Row:
    """A number with everything needed to judge and to repeat it."""

    measure: str
    """What was measured."""
    estimate: Estimate
    """Value, 95 % interval, n on both sides, extractor and reasons to be careful."""
    sides: tuple[Gathered, ...]
    """The pictures that it was taken from, with those that could not be read."""
    resize: str
    """How the pictures reached the size at which they were compared."""
    sha256: str | None = None
    """Of the extractor; None where nothing was trained or drawn at random."""
    notes: tuple[str, ...] = ()
    """What a reader must know besides the estimate's own notes."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Further keys of the JSON object, such as `p`."""

    def all_notes(self) -> tuple[str, ...]:
        """The estimate's notes and the row's own, each once."""
        return tuple(dict.fromkeys((*self.estimate.notes, *self.notes)))

    def to_dict(self) -> dict[str, Any]:
        """What `--format json` prints; a bound that does not exist becomes null there."""
        skipped = skipped_names(self.sides)
        return {
            "measure": self.measure,
            "value": self.estimate.value,
            "low": self.estimate.low,
            "high": self.estimate.high,
            "n_x": self.estimate.n_x,
            "n_y": self.estimate.n_y,
            "extractor": self.estimate.extractor,
            "sha256": self.sha256,
            "resize": self.resize,
            "notes": list(self.all_notes()),
            "skipped": len(skipped),
            "skipped_names": skipped,
            **self.facts,
        }

    def line(self) -> dict[str, Any]:
        """One line of the table, with the keys of `COLUMNS`."""
        estimate = self.estimate
        return {
            "measure": self.measure,
            "value": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "n": f"{estimate.n_x} and {estimate.n_y}",
            "extractor": estimate.extractor,
        }


def judged(
    measure: str,
    estimate: Estimate,
    judge: Extractor,
    size: int | None,
    sides: Iterable[Gathered],
    notes: Sequence[str] = (),
) -> Row:
    """A row of a number that was taken from an extractor's features of pictures read at `size` px."""
    return Row(measure, estimate, tuple(sides), resized(size, judge.resize), judge.sha256, tuple(notes))


def resized(size: int | None, then: str) -> str:
    """How pictures were resized: on reading (None: not at all), and then by the extractor."""
    return f"as they are, then {then}" if size is None else f"Lanczos to {size}, then {then}"


def skipped_names(sides: Iterable[Gathered]) -> list[str]:
    """`source/name` of every picture that could not be read, each once."""
    return list(dict.fromkeys(f"{side.source}/{name}" for side in sides for name, _ in side.skipped))


def remarks(rows: Sequence[Row]) -> list[str]:
    """What a reader of the table must know: features, intervals, reasons to be careful, what was left out."""
    lines = []
    for row in rows:
        made = f", sha256 {row.sha256[:12]}" if row.sha256 else ""
        lines.append(f"{row.estimate.extractor}: {row.resize}{made}")
    lines.append("low and high are the 95 % interval")
    lines += [note for row in rows for note in row.all_notes()]
    skipped = skipped_names(side for row in rows for side in row.sides)
    if skipped:
        shown = ", ".join(skipped[:3]) + (", …" if len(skipped) > 3 else "")
        lines.append(f"{len(skipped)} picture{'s' if len(skipped) > 1 else ''} left out: {shown}")
    return list(dict.fromkeys(lines))

"""The record of a base's measurement: rows with intervals and controls, as JSON, as tables, as remarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from eval.intervals import Estimate
from eval.pairs import Agreement
from fewshot.evaluation.record import interval_text

COLUMNS = ("measure", "value", "low", "high", "n", "features", "shuffled")
"""Of the table; `n` is judged / compared with, `shuffled` the control with its interval."""
CASE_COLUMNS = (
    "case",
    "n",
    "KID ratio",
    "content 1st",
    "faces",
    "cycle L1",
    "hair L*",
    "cheek L*",
    "eyes off",
)
"""Of the table of cases: intervals where they decide most, JSON has them all."""
_SHORT = {
    "faces": "faces found on results",
    "cycle L1": "cycle L1 (0..1)",
    "hair L*": "hair L* correlation",
    "cheek L*": "cheek L* correlation",
    "eyes off": "eye midpoint off by (sides)",
}


@dataclass(frozen=True)
class Row:
    """One number."""

    measure: str
    """What was measured, with its unit."""
    estimate: Estimate
    """Value, interval, n and features; nan bounds where there is no interval."""
    shuffled: Estimate | None = None
    """The same of shuffled pairs, where that is a control."""
    clear: bool | None = None
    """Whether real pairs are better than shuffled ones, intervals apart; None without that control."""

    @classmethod
    def of(cls, agreement: Agreement) -> Row:
        """From a comparison of pairs."""
        return cls(agreement.name, agreement.real, agreement.shuffled, agreement.clear)


@dataclass(frozen=True)
class Case:
    """The measures on one kind of photos."""

    name: str
    """`all`, or a name of `hard_cases`."""
    kind: Literal["all", "listed", "made"]
    """All photos, some that are listed as hard, or all with a difficulty made by code."""
    n: int
    """Photos."""
    rows: tuple[Row, ...]
    """In the order of the table."""

    def find(self, measure: str) -> Row | None:
        """The row of that name, None when it was not measured."""
        return next((row for row in self.rows if row.measure == measure), None)


@dataclass(frozen=True)
class BaseReport:
    """Everything measured of one base, with what it takes to judge or repeat it."""

    base: Mapping[str, Any]
    """Name, sha256, size px, parameters of one direction, GMACs of one pass, and the training's facts."""
    sources: Mapping[str, str | None]
    """Names of `photos` and `drawings`, and the `indices` and `drawing_indices` that were asked for."""
    n: Mapping[str, int]
    """Pictures of each."""
    size: int
    """Side at which pictures were compared, px."""
    extractor: Mapping[str, str]
    """Name, sha256 and resize method of the features of KID and FID."""
    seed: int
    """Of choice, bootstrap, shuffling and difficulties."""
    cases: tuple[Case, ...]
    """`all` first."""
    notes: tuple[str, ...]
    """What was left out, and why."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready but for nan and infinity, which `fewshot.output.emit` turns into null."""
        return {**asdict(self), "level": 0.95}

    def rows(self) -> list[dict[str, Any]]:
        """Lines of the table, keys as in `COLUMNS`: the base's facts, then the measures on all photos."""
        facts = {"parameters": "parameters", "gmacs": "GMACs", "minutes": "minutes", "pairs": "pairs"}
        lines: list[dict[str, Any]] = [
            {"measure": text, "value": self.base[key]} for key, text in facts.items()
        ]
        for row in self.cases[0].rows:
            found = row.estimate
            lines.append(
                {
                    "measure": row.measure,
                    "value": found.value,
                    "low": found.low,
                    "high": found.high,
                    "n": f"{found.n_y}/{found.n_x}",
                    "features": found.extractor,
                    "shuffled": interval_text(row.shuffled) if row.shuffled else None,
                }
            )
        return lines

    def case_rows(self) -> list[dict[str, Any]]:
        """One line per case, keys as in `CASE_COLUMNS`."""
        lines = []
        for case in self.cases:
            line: dict[str, Any] = {"case": case.name, "n": case.n}
            for column, measure in {"KID ratio": "KID ratio", "content 1st": "content 1st"}.items():
                row = case.find(measure)
                line[column] = interval_text(row.estimate) if row else None
            for column, measure in _SHORT.items():
                row = case.find(measure)
                line[column] = row.estimate.value if row else None
            lines.append(line)
        return lines

    def remarks(self) -> list[str]:
        """What a reader of the tables must know."""
        lines = [
            f"{self.n['photos']} of {self.sources['photos']}, {self.n['drawings']} of "
            f"{self.sources['drawings']}, compared at {self.size} px; n is judged / compared with; 95 % "
            "intervals",
            f"{self.extractor['name']}: {self.extractor['resize']}, sha256 {self.extractor['sha256'][:12]}",
        ]
        for case in self.cases:
            of = "" if case.name == "all" else f"{case.name}: "
            unclear = [row.measure for row in case.rows if row.clear is False]
            if unclear:
                lines.append(f"{of}no clear difference from shuffled pairs in {', '.join(unclear)}")
            careful = [f"{row.measure}: {note}" for row in case.rows for note in row.estimate.notes]
            lines += careful if case.name == "all" else []
        return list(dict.fromkeys((*lines, *self.notes)))

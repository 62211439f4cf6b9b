"""One page about a style, a base or a folder of results: gather, measure, say, show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.report import Numbers, Report, Section, is_report, render
from fewshot import __version__
from fewshot.errors import ConflictError
from fewshot.evaluation import report_numbers, report_pictures
from fewshot.evaluation.negatives import credit_lines
from fewshot.evaluation.record import finite
from fewshot.evaluation.report_findings import Findings, find
from fewshot.evaluation.report_sides import Request, Sides, gather_sides
from fewshot.evaluation.rows import resized, skipped_names
from fewshot.evaluation.verdict import verdict
from fewshot.files import atomic_write_text


@dataclass(frozen=True)
class Written:
    """A page that was made."""

    path: Path
    """Where it lies."""
    report: Report
    """What it says."""
    numbers: Numbers
    """Its table."""


def write_report(request: Request, path: Path) -> Written:
    """Measure what is asked for and write it as one HTML page, whole or not at all.

    Raises:
        ConflictError: there is another file than a report at `path`.
        UsageError, NotFoundError, BadInputError, IntegrityError: as `report_sides.gather_sides`.
        EvalError: as `report_findings.find`.
    """
    if path.is_dir() or (path.exists() and not is_report(path)):
        raise ConflictError(f"{path} is there and is no report", "write to another file: -o report.html")
    judges = request.judges()
    sides = gather_sides(request)
    found = find(sides, judges, request.detector)
    table = report_numbers.numbers(sides, found)
    report = _report(request, sides, found, table)
    atomic_write_text(path, render(report))
    return Written(path, report, table)


def _report(request: Request, sides: Sides, found: Findings, table: Numbers) -> Report:
    sections: list[Section | None] = [
        report_numbers.distances(sides, found),
        report_numbers.ratios(found),
        report_numbers.shares(sides, found),
        report_pictures.neighbours(sides, found, request.shown),
        report_pictures.suspects(sides, found, min(4, request.shown)),
        report_pictures.style_map(sides, found),
        report_pictures.nearness(sides, found),
        table,
    ]
    says, cautions, facts = verdict(sides, found), _cautions(sides, found, table), _facts(sides, found)
    on = f", on {len(sides.results)} photos from {sides.photos.source}" if sides.photos is not None else ""
    subtitle = f"judged by {len(sides.drawings)} drawings from {sides.drawings.source}{on}"
    record: dict[str, Any] = {
        "title": sides.name,
        "verdict": list(says),
        "cautions": list(cautions),
        "numbers": report_numbers.records(table),
        "yardsticks": finite(_yardsticks(found)),
        "extractors": {j.name: {"sha256": j.sha256, "resize": j.resize} for j in found.judges},
        "sources": dict(facts),
        "size": sides.size,
        "skipped": skipped_names(sides.everything),
        "level": 0.95,
        "version": __version__,
    }
    shown = [(f"{len(sides.results)} pictures judged", sides.results.names)]
    shown.append((f"{len(sides.drawings)} drawings judged by", sides.drawings.names))
    if record["skipped"]:
        shown.append((f"{len(record['skipped'])} left out: not readable", tuple(record["skipped"])))
    present = tuple(section for section in sections if section is not None)
    return Report(sides.name, subtitle, says, cautions, present, facts, tuple(shown), record)


def _yardsticks(found: Findings) -> list[dict[str, Any]]:
    return [
        {
            "label": s.label,
            "value": s.kid.value,
            "low": s.kid.low,
            "high": s.kid.high,
            "n": [s.kid.n_x, s.kid.n_y],
        }
        for s in found.yardsticks
    ]


def _cautions(sides: Sides, found: Findings, table: Numbers) -> tuple[str, ...]:
    """Every reason to be careful, each once, with the measures it is about."""
    about: dict[str, dict[str, None]] = {}
    for row in table.rows:
        for note in (note for cell in row.cells if cell is not None for note in cell.notes):
            about.setdefault(note, {})[row.measure] = None
    notes = [*found.notes, *(f"{', '.join(measures)}: {note}" for note, measures in about.items())]
    skipped = len(skipped_names(sides.everything))
    if skipped:
        what = "picture is" if skipped == 1 else "pictures are"
        notes.append(f"{skipped} {what} left out, being unreadable; the list is at the end")
    if sides.training is None:
        notes.append("no search for copies: it needs the drawings trained on (--trained-on)")
    return tuple(notes)


def _facts(sides: Sides, found: Findings) -> tuple[tuple[str, str], ...]:
    """Sources, sizes, extractors, versions."""
    others = ", ".join(f"{name} ({len(side)})" for name, side in sides.others.items())
    facts = [
        ("judged", f"{sides.name}: {len(sides.results)} pictures"),
        ("drawings", f"{sides.drawings.source}: {len(sides.drawings)}"),
        ("other hands", others),
        ("compared at", f"squares of {sides.size} px"),
    ]
    if sides.photos is not None:
        facts.insert(1, ("photos", f"{sides.photos.source}: {len(sides.photos)}"))
    if sides.training is not None:
        facts.insert(2, ("drawings trained on", f"{sides.training.source}: {len(sides.training)}"))
    if sides.base is not None:
        facts.append(("base", f"{sides.base.name}, sha256 {sides.base.sha256[:12]}"))
    for judge in found.judges:
        hands = credit_lines(judge, found.style[judge.name][0].styles)
        if hands:
            facts.append(("shipped hands", "; ".join(hands)))
        facts.append(
            (f"features {judge.name}", f"{resized(sides.size, judge.resize)}, sha256 {judge.sha256[:12]}")
        )
    return (*facts, ("made with", f"fewshot-style {__version__}"))

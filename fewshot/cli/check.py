"""`fewshot check`: look at a folder of drawings before training on it, and write a cleaned copy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.output import Format, emit, notice, progress, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fewshot.data.check import CheckReport, PictureReport

_COLUMNS = {
    "table": ["picture", "size", "verdict", "why"],
    "json": ["path", "width", "height", "hash", "usable", "verdict", "findings", "changes"],
    "path": ["path"],
}


def check(
    directory: Annotated[Path, typer.Argument(help="Folder of drawings meant to be by one hand.")],
    fix: Annotated[
        Path | None,
        typer.Option(metavar="DEST", help="Write a cleaned copy here; the folder itself stays as it is."),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="How to print: table, json, or path (usable pictures only, one per line).")
    ] = "table",
) -> None:
    """Name what is unreadable, tiny, double or out of place in a folder of drawings.

    The table lists the pictures that something is to be said about, --format json every picture.

    Exit code 0: every file can be read (the rest are warnings), or --fix wrote its copy. 3: a file cannot be
    read, or nothing is usable. 4: no such folder. 5: DEST exists.
    """
    from fewshot.data.check import check_folder
    from fewshot.data.fix import fix_folder
    from fewshot.data.pictures import list_pictures
    from fewshot.data.set_problems import about_subfolders

    with progress("looking", len(list_pictures(directory))) as bar:
        report = check_folder(directory, bar.update)
    rows = _rows(report, format)
    if rows or format == "json":
        emit(rows, _COLUMNS[format], format)
    _summary(report, fixing=fix is not None)
    for problem in about_subfolders(directory):
        warn(f"{problem.message}; {problem.hint}")
    if fix is not None:
        written = fix_folder(report, fix)
        warned = sum(picture.verdict != "ok" for picture in report.usable)
        kept = f"; {warned} of them in spite of a warning: delete what you do not want" if warned else ""
        notice(f"{len(written)} pictures written to {fix}{kept}")
    elif not report.usable or any(picture.hash is None for picture in report.pictures):
        raise typer.Exit(3)


def _listed(report: "CheckReport", format: Format) -> "Sequence[PictureReport]":
    if format == "path":
        return report.usable
    if format == "json":
        return report.pictures
    # Dozens of lines that say "ok" would hide the few that matter.
    return [picture for picture in report.pictures if picture.findings]


def _rows(report: "CheckReport", format: Format) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for picture in _listed(report, format):
        width, height = picture.size or (None, None)
        findings = [{"kind": f.kind, "message": f.message, "hint": f.hint} for f in picture.findings]
        rows.append(
            {
                "path": picture.path,
                "picture": picture.path.name,
                "size": f"{width}x{height}" if width else None,
                "width": width,
                "height": height,
                "hash": picture.hash,
                "usable": picture.usable,
                "verdict": picture.verdict,
                "findings": findings,
                "why": "; ".join(f.message for f in picture.findings),
                "changes": picture.changes,
            }
        )
    return rows


def _summary(report: "CheckReport", *, fixing: bool) -> None:
    for what, hint in _hints(report):
        warn(f"{what}: {hint}")
    usable, total = len(report.usable), len(report.pictures)
    text = f"{usable} of {total} pictures can be used"
    if usable < 5:
        text += "; 5 or more are better"
    elif not any(picture.findings for picture in report.pictures):
        text += ", nothing stands out"
    notice(text)
    if 0 < usable < total and not fixing:
        notice(f"hint: a copy with the usable ones only: fewshot check '{report.folder}' --fix DEST")


def _hints(report: "CheckReport") -> list[tuple[str, str]]:
    """What to do, once for each kind of finding and advice, with the first picture that it is about."""
    pictures: dict[tuple[str, str], list[str]] = {}
    for picture in report.pictures:
        for finding in picture.findings:
            if finding.hint:
                pictures.setdefault((finding.kind, finding.hint), []).append(picture.path.name)
    return [
        (f"{kind} ({names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''})", hint)
        for (kind, hint), names in pictures.items()
    ]

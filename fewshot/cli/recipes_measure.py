"""`fewshot recipes measure`: recipes and comparison methods on several artists, by the same evaluation."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fewshot.output import Format, emit, notice

_COLUMNS = ["candidate", "artist", "style 1st", "content", "KID", "of base", "min"]
"""Of the table in a terminal; the rows have the intervals and much more."""


def measure(
    artists: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder per artist, with train/ and heldout/ in it.")
    ],
    photos: Annotated[Path, typer.Option(help="Photos to redraw: a folder or a .tar archive.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for rows and contact sheets; goes on there.")
    ],
    indices: Annotated[
        str | None, typer.Option(help="Only photos with these numbers, such as 3300-3399.")
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[ KEY=VALUE]", help="A recipe, with changes in quotes; repeat it."),
    ] = None,
    learn_on: Annotated[
        Path | None,
        typer.Option(
            metavar="PHOTOS",
            help="Measure each recipe also with `--photos PHOTOS`: others than those to redraw.",
        ),
    ] = None,
    rival: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A comparison method; repeat it. `all` for all.")
    ] = None,
    artist: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Measure only this artist; repeat it.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="Training time of methods that train.")] = 3.0,
    base: Annotated[str, typer.Option(help="Base model, its name or file.")] = "scan_128.anime",
    table: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Write the table between the markers of this Markdown file; repeat it."
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print: table, json or path.")] = "table",
) -> None:
    """Measure recipes and comparison methods on several artists' held-out drawings.

    Each row is a process of its own; rows in --out are kept, so that a repeat goes on. Held-out drawings of
    all artists are the gallery of the style rank. Exit code 3: pictures or recipes that cannot be used.
    """
    from fewshot.benchmark.artists import find_artists
    from fewshot.benchmark.candidates import parse_candidates
    from fewshot.benchmark.run import ROWS, Plan, run
    from fewshot.benchmark.table import check_markers, write_into
    from fewshot.errors import NotFoundError, UsageError
    from fewshot.evaluation.rivals import RIVALS

    rivals = list(RIVALS) if rival and "all" in rival else rival or []
    candidates = parse_candidates(recipe or [], rivals, minutes, learn_on)
    if not candidates:
        raise UsageError("nothing to measure", "name a recipe or a method: --recipe quick --rival reinhard")
    found = find_artists(artists)
    known = [one.name for one in found]
    for name in artist or []:
        if name not in known:
            raise NotFoundError(f"{artists}: no artist {name!r} in it", f"it has {', '.join(known)}")
    for path in table or ():
        check_markers(path)
    chosen = tuple(dict.fromkeys(artist or known))
    plan = Plan(tuple(found), chosen, tuple(candidates), photos, indices, base, out)
    rows = run(plan)
    for path in table or ():
        write_into(path, rows)
    if format == "table":
        emit([_row(row) for row in rows], _COLUMNS, whole=_COLUMNS[1:])
        notice(f"all numbers, with intervals: {out / ROWS}; as Markdown: --table FILE")
    elif format == "json":
        emit(rows, list(rows[0]) if rows else [], format)
    else:
        emit([{"path": out / ROWS}], ["path"], format)
    if len(rows) < len(plan.chosen) * len(candidates):
        raise typer.Exit(3)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """What is asked first of a row, without intervals."""
    first = {
        "style 1st": row.get("style_top1"),
        "content": row.get("content"),
        "KID": row.get("kid"),
        "of base": row.get("kid_ratio"),
    }
    shown = {key: None if value is None else value[0] for key, value in first.items()}
    shown |= {"min": row["minutes"]}
    digits = {key: value if value is None else round(value, 2) for key, value in shown.items()}
    return {"candidate": row["candidate"], "artist": row["artist"]} | digits

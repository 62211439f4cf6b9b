"""`fewshot styles`: what was learned here, and what was begun."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from fewshot.output import Format, emit, notice

COLUMNS = ["style", "state", "drawings", "recipe", "base", "learned"]
"""Of the table, which fits 80 columns; json has paths, problems, licence and consent too."""


def styles(
    format: Annotated[Format, typer.Option(help="How to print: table, json or path.")] = "table",
) -> None:
    """List the styles that were learned here, and runs that can be gone on with."""
    from fewshot.home import home

    rows = list(_rows(home() / "runs"))
    if format == "path":
        rows = [row for row in rows if row["state"] == "ready"]
    more = ["path", "problem", "licence", "consent"] if format == "json" else []
    emit(rows, [*COLUMNS, *more], format, whole=COLUMNS[1:])
    if not rows and format == "table":
        notice("no style yet: fewshot adapt DIR --name NAME")


def _rows(runs: Path) -> Iterator[dict[str, Any]]:
    """By name; a style that is being learned anew is told as the one that is there."""
    from fewshot.adapters.files import is_adapter
    from fewshot.training.runs import is_unfinished

    for run in sorted(runs.iterdir()) if runs.is_dir() else []:
        row: dict[str, Any] = {"style": run.name, "path": str(run / "adapter")}
        if is_adapter(run / "adapter"):
            yield row | _of(run / "adapter")
        elif is_unfinished(run):
            yield row | {"state": "unfinished", "path": str(run)}


def _of(adapter: Path) -> dict[str, Any]:
    """What the folder says of itself; a damaged one is told, not raised."""
    from fewshot.adapters.files import WEIGHTS, read_files
    from fewshot.catalog.use import require_consent
    from fewshot.errors import FewshotError

    try:
        files = read_files(adapter)
    except FewshotError as error:
        return {"state": "damaged", "problem": str(error)}
    refusal = files.consent.refusal()
    try:
        require_consent(files.name, files.contents[WEIGHTS])
    except FewshotError as error:
        refusal = str(error)
    when = datetime.fromtimestamp((adapter / "adapter_config.json").stat().st_mtime, UTC)
    return {
        "state": "refused" if refusal else "ready",
        "problem": refusal,
        "drawings": len(files.record.get("references") or []),
        "recipe": _recipe(files.contents.get("recipe.toml", b"")),
        "base": files.base_name,
        "learned": f"{when.astimezone():%Y-%m-%d}",
        "licence": files.record.get("licence", ""),
        "consent": files.consent.to_dict(),
    }


def _recipe(toml: bytes) -> str:
    """The recipe's name; empty where the folder has none."""
    import tomllib

    try:
        return str(tomllib.loads(toml.decode()).get("name", ""))
    except ValueError:
        return ""

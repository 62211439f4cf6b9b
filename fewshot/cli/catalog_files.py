"""The verbs of `fewshot catalog` about files: export, import, verify, gc, and the log."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fewshot.cli.catalog_options import Db, Root, Style, open_catalog, short_hash, tell_added
from fewshot.output import TableFormat, emit, format_value, notice, progress, warn


def export(
    style: Style,
    out: Annotated[Path, typer.Option("--out", "-o", help="A bundle (.zip), or a PEFT folder.")],
    with_base: Annotated[bool, typer.Option("--with-base", help="Put the base into the bundle.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    db: Db = None,
    root: Root = None,
) -> None:
    """Write a version as a bundle to pass on, or as a PEFT folder.

    Exit code 4: no such style. 5: the output exists. 6: no consent, or a stored file is damaged.
    """
    from fewshot.catalog.bundle import export as write
    from fewshot.catalog.listing import show

    catalog = open_catalog(db, root)
    path = write(catalog, style, out, with_base=with_base, overwrite=overwrite)
    if show(catalog, style)["consent"]["status"] == "unknown":
        warn(f"nobody wrote down whether the artist of {style} agrees; whoever gets it will not know either")
    emit([{"path": str(path)}], ["path"], "path")


def import_(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="What `export` wrote.")],
    name: Annotated[str | None, typer.Option(help="Name here; the bundle's own if left out.")] = None,
    db: Db = None,
    root: Root = None,
) -> None:
    """Take bundles in: each wholly or not at all, and once however often.

    Exit code 4: no such file, or its base is not here. 6: not a bundle, or changed since it was written.
    """
    from fewshot.catalog.bundle import import_ as take
    from fewshot.errors import UsageError

    if name and len(bundles) > 1:
        raise UsageError("one name for several bundles", "leave --name out, or import them one by one")
    catalog = open_catalog(db, root, new=True)
    for bundle in bundles:
        tell_added(take(catalog, bundle, name=name))


def verify(
    format: Annotated[TableFormat, typer.Option(help="How to print.")] = "table",
    db: Db = None,
    root: Root = None,
) -> None:
    """Read every file and compare it with its hash; look at every row.

    Exit code 6: something is missing, damaged or wrong.
    """
    from fewshot.catalog.upkeep import verify as look

    with progress("verifying", 0) as bar:

        def tell(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)

        found = look(open_catalog(db, root), tell)
    rows = [vars(problem) for problem in found.problems]
    if rows or format == "json":
        emit(rows, ["style", "file", "what"], format)
    counts = ((found.versions, "version"), (found.files, "file"), (len(rows), "problem"))
    notice(", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts))
    if found.stray:
        notice(f"{found.stray} files belong to no version; `fewshot catalog gc` removes them")
    if rows:
        notice(
            "hint: put damaged files back from a backup, or add the adapter again that they came from; "
            "`fewshot catalog rm` gives a version up"
        )
        raise typer.Exit(6)


def gc(
    older_than: Annotated[float, typer.Option(min=0, help="Minutes; younger files are left alone.")] = 60,
    restored: Annotated[
        bool,
        typer.Option("--restored", help="The database was put back from a backup: what came later may go."),
    ] = False,
    db: Db = None,
    root: Root = None,
) -> None:
    """Remove stored files that belong to no version.

    Exit code 5: the database is an older copy, which does not know what was added since.
    """
    from fewshot.catalog.upkeep import gc as collect

    done = collect(open_catalog(db, root), grace=60 * older_than, restored=restored)
    notice(f"{done.removed} files removed")
    if done.young:
        warn(
            f"{done.young} are younger than {older_than:g} min, someone may be adding them: they stay; "
            "if nobody is: fewshot catalog gc --older-than 0"
        )


def log(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Of one style; of all if left out.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many lines.")] = 50,
    format: Annotated[TableFormat, typer.Option(help="How to print.")] = "table",
    db: Db = None,
    root: Root = None,
) -> None:
    """Who did what and when, newest first; nobody can change it."""
    from fewshot.catalog.listing import log as lines

    rows = lines(open_catalog(db, root), name, limit=limit)
    if format != "json":
        rows = [row | {"detail": _describe(row), "time": row["time"][:19]} for row in rows]
    emit(rows, ["time", "who", "verb", "entry", "version", "detail"], format, whole=("time", "who", "verb"))


def _describe(event: dict[str, Any]) -> str:
    """The detail of a line of the log in words."""
    from fewshot.consent import Consent

    detail = {key: value for key, value in event["detail"].items() if value not in ("", [], None, False)}
    if event["verb"] == "consent":
        return " → ".join(str(Consent.from_dict(detail[key])) for key in ("before", "after"))
    if event["verb"] == "edit":
        return ", ".join(f"{key} {before!r} → {after!r}" for key, (before, after) in detail.items())
    if event["verb"] in ("add", "import") and not detail.pop("new", False):
        return "nothing new"
    if "files" in detail:
        detail["files"] = short_hash(detail["files"])
    return ", ".join(f"{key} {format_value(value)}" for key, value in detail.items())


def register(app: typer.Typer) -> None:
    """Put these verbs into the group."""
    for verb in (export, import_, verify, gc, log):
        app.command(verb.__name__.rstrip("_"))(verb)

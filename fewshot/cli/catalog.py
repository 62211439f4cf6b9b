"""`fewshot catalog`: a studio's styles, their versions, rights and files."""

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from fewshot.cli import catalog_changes, catalog_files
from fewshot.cli.catalog_options import Db, Root, Style, open_catalog, short_hash, tell_added
from fewshot.cli.rights_options import ConsentBy, ConsentExpires, ConsentStatus, consent_of
from fewshot.output import Format, TableFormat, emit, notice, progress

app = typer.Typer(
    rich_markup_mode="markdown", no_args_is_help=True, help="Keep styles: versions, search, rights, bundles."
)

Words = Annotated[list[str] | None, typer.Argument(metavar="[WORD...]", help="All of these words.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only with this tag; repeatable.")]
_COLUMNS = ["style", "artist", "consent", "tags", "created"]
_MORE = ["name", "version", "artist", "licence", "consent", "tags", "aliases", "base", "size", "created"]


@app.command("add")
def add(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN|FOLDER...", help="Runs by name, or PEFT folders made for a known base."),
    ],
    name: Annotated[str | None, typer.Option(help="Name here; the adapter's own if left out.")] = None,
    artist: Annotated[str | None, typer.Option(help="Whose hand it is.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX identifier, such as CC-BY-4.0, or words.")] = None,
    notes: Annotated[str | None, typer.Option(help="Anything worth remembering.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A word to find it by; repeatable.")] = None,
    alias: Annotated[str | None, typer.Option(help="Move this alias to the new version.")] = None,
    consent: ConsentStatus = "unknown",
    consent_by: ConsentBy = "",
    consent_expires: ConsentExpires = "",
    db: Db = None,
    root: Root = None,
) -> None:
    """Add adapters, each as the newest version of its style.

    Exit code 3: too large. 4: no adapter there, or its base is unknown. 6: damaged or changed.
    """
    from fewshot.catalog.adding import Facts
    from fewshot.catalog.adding import add as add_folder
    from fewshot.consent import UNKNOWN
    from fewshot.errors import UsageError

    if name and len(folders) > 1:
        raise UsageError("one name for several folders", "leave --name out, or add them one by one")
    catalog = open_catalog(db, root, new=True)
    given = consent_of(consent, consent_by, consent_expires)
    said = None if given == UNKNOWN else given
    facts = Facts(artist=artist, licence=licence, notes=notes, tags=tag or (), alias=alias, consent=said)
    with progress("adding", len(folders)) as bar:
        for done, folder in enumerate(folders, 1):
            tell_added(add_folder(catalog, _run_or_folder(folder), name=name, facts=facts))
            bar.update(done)


def _run_or_folder(path: Path) -> Path:
    """A folder, or the run of that name where there is no such folder; raises NotFoundError for neither."""
    import difflib

    from fewshot.errors import NotFoundError, UsageError
    from fewshot.home import run_folder
    from fewshot.styles import finished_runs

    with contextlib.suppress(UsageError):
        if not path.exists() and run_folder(str(path)).is_dir():
            return run_folder(str(path))
    if path.is_file():
        raise NotFoundError(
            f"{path} is a file; expected an adapter's folder or a run",
            "`fewshot catalog import` takes bundles",
        )
    if not path.exists():
        near = difflib.get_close_matches(str(path), finished_runs(), n=1)
        hint = f"did you mean {near[0]}?" if near else "check the spelling; `fewshot adapt` makes runs"
        raise NotFoundError(f"{path}: no such run and no such folder; expected an adapter", hint)
    return path


@app.command("ls")
def ls(
    words: Words = None,
    tag: Tags = None,
    artist: Annotated[str, typer.Option(help="Only by this artist.")] = "",
    base: Annotated[str, typer.Option(help="Only for this base.")] = "",
    consent: Annotated[str, typer.Option(help="Only with this consent, `expired` or `usable`.")] = "",
    sort: Annotated[str, typer.Option(help="name, created, size, artist, or a metric.")] = "name",
    desc: Annotated[bool, typer.Option("--desc", help="The largest or newest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows of a page.")] = 50,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    format: Annotated[Format, typer.Option(help="How to print: table, json or path (names).")] = "table",
    db: Db = None,
    root: Root = None,
) -> None:
    """List styles with their latest version.

    Exit code 2: nothing can be sorted or filtered by that.
    """
    from fewshot.catalog import listing
    from fewshot.catalog.filters import Filter

    wanted = Filter(words or (), tag or (), artist=artist, base=base, consent=consent)
    offset = limit * (page - 1)
    found = listing.ls(open_catalog(db, root), wanted, sort=sort, descending=desc, limit=limit, offset=offset)
    rows = [vars(row) | {"path": row.name, sort: getattr(row, sort, row.value)} for row in found.rows]
    if format == "table":
        rows = [row | _for_people(row) for row in rows]
    columns = _MORE if format == "json" else [c for c in _COLUMNS if c == "style" or any(r[c] for r in rows)]
    columns += [sort] * (sort not in (*columns, "name"))
    emit(rows, columns, format, whole=("consent", "created", "size"))
    _tell_page(found.total, offset, len(rows), page)


@app.command("show")
def show(
    style: Style,
    format: Annotated[TableFormat, typer.Option(help="How to print.")] = "table",
    db: Db = None,
    root: Root = None,
) -> None:
    """Everything that is known of a version.

    Exit code 4: no such style, version or alias.
    """
    import json
    import sys

    from fewshot.catalog.listing import show as known
    from fewshot.consent import Consent

    facts = known(open_catalog(db, root), style)
    if format == "json":
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        return
    facts["consent"] = str(Consent.from_dict(facts["consent"]))
    for key in ("base_sha256", "recipe_hash", "tensors_sha256"):
        facts[key] = short_hash(facts[key])
    facts["files"] = [f"{file['path']} ({file['size']:,} B)" for file in facts["files"]]
    facts["metrics"] = ", ".join(f"{key} {value:.4g}" for key, value in _numbers(facts["metrics"]).items())
    facts["size"] = f"{facts['size']:,} bytes"
    facts["references"] = f"{len(facts['references'])} drawings, by hash in --format json"
    rows = [{"what": key, "value": value} for key, value in facts.items() if value not in ("", [], None)]
    emit(rows, ["what", "value"])


@app.command("search")
def search(
    words: Words = None,
    picture: Annotated[
        list[Path] | None,
        typer.Option("--picture", "-p", help="A drawing, or a folder of them; repeatable."),
    ] = None,
    like: Annotated[
        str | None, typer.Option(metavar="NAME", help="Like this style of the catalogue.")
    ] = None,
    tag: Tags = None,
    consent: Annotated[str, typer.Option(help="Only with this consent, `expired` or `usable`.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 10,
    format: Annotated[Format, typer.Option(help="How to print: table, json or path (names).")] = "table",
    db: Db = None,
    root: Root = None,
) -> None:
    """Find styles by words, by drawings, or by another style; words, tags and consent narrow all of them.

    Exit code 2: nothing to search for, or a picture and a style. 3: an unreadable picture. 4: no such style.
    """
    from fewshot.errors import UsageError

    if picture and like:
        raise UsageError("--picture and --like were both given; expected one", "leave one of them out")
    if not (words or tag or consent or picture or like):
        raise UsageError(
            "nothing to search for; expected words, --tag, --consent, --picture or --like",
            "such as: fewshot catalog search watercolour, or: fewshot catalog search --picture drawing.png",
        )
    if not (picture or like):
        ls(words, tag, consent=consent, limit=limit, format=format, db=db, root=root)
        return
    from fewshot.catalog import listing
    from fewshot.catalog.filters import Filter
    from fewshot.catalog.pictures import PictureSearch, by_pictures
    from fewshot.catalog.pictures import like as by_style

    catalog = open_catalog(db, root)
    only = listing.names(catalog, Filter(words or (), tag or (), consent=consent)).__contains__
    index = PictureSearch(catalog)
    if picture:
        found = by_pictures(index, picture, limit=limit, only=only)
    else:
        found = by_style(index, str(like), limit=limit, only=only)
    if not found:
        notice("no style with features of drawings is like that")
    wanted = Filter(names=[row.name for row in found] or [""])
    known = {row.name: row for row in listing.ls(catalog, wanted, limit=len(found) + 1).rows}
    rows = [
        vars(row) | {"path": row.name, "artist": known[row.name].artist, "consent": known[row.name].consent}
        for row in found
        if row.name in known
    ]
    columns = ["name", "version", "similarity", "artist", "consent"]
    emit(rows, columns + ["pictures"] * (format == "json"), format, whole=("consent",))


def _tell_page(total: int, offset: int, shown: int, page: int) -> None:
    """Which part of the list this was, and how to see more."""
    if shown:
        more = f"; the next: --page {page + 1}" if offset + shown < total else ""
        notice(f"{offset + 1}-{offset + shown} of {total}{more}")
    elif total:
        notice(f"page {page} is past the end: there are {total} in all")
    else:
        notice("no style is like that; `fewshot catalog ls` shows all, `fewshot catalog add RUN` adds one")


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    """Fewer and shorter columns: the version beside the name, aliases among the tags, days only."""
    return {
        "style": f"{row['name']}@{row['version']}",
        "tags": [*row["tags"], *(f"@{alias}" for alias in row["aliases"])],
        "created": row["created"][:10],
    }


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    from fewshot.catalog.contents import numbers

    return numbers(metrics)


catalog_changes.register(app)
catalog_files.register(app)

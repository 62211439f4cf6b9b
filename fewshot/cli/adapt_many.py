"""`fewshot adapt-many`: one style for every folder of drawings, by many workers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewshot.cli.catalog_options import Db, Root, check_catalog
from fewshot.cli.memory_option import MemoryLimit, limit_of
from fewshot.cli.rights_options import ConsentBy, ConsentExpires, ConsentStatus, Licence, consent_of
from fewshot.cli.track_option import Track
from fewshot.output import Format, emit, notice, progress, warn

if TYPE_CHECKING:
    from fewshot.training.many import Artist, Done, Job


def adapt_many(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with one folder of drawings per artist.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Recipe values for all of them, such as steps=150.", metavar="[KEY=VALUE]..."),
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="Recipe name or file; `fewshot recipes ls` lists them.")
    ] = "quick",
    base: Annotated[str, typer.Option(help="Base model; `fewshot base ls` lists them.")] = "scan_128.anime",
    photos: Annotated[Path | None, typer.Option(help="Folder or .tar of photos to learn on.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Trainings at a time here; as many as there is room for."),
    ] = None,
    memory_limit: MemoryLimit = None,
    track: Track = None,
    licence: Licence = "unknown",
    consent: ConsentStatus = "unknown",
    consent_by: ConsentBy = "",
    consent_expires: ConsentExpires = "",
    format: Annotated[Format, typer.Option(help="How the result is printed.")] = "table",
    db: Db = None,
    root: Root = None,
) -> None:
    """Learn a style from every folder of drawings, and add them all to the catalogue.

    Run the same command on any number of machines that share the catalogue (PostgreSQL, and a folder or
    bucket for its files): each takes what nobody else is at, nothing is trained twice, and what a dead worker
    was at is taken over. Run again, it trains what is missing or has changed.

    Exit code 3: some could not be trained; the others are. 130: interrupted; the same command goes on.
    """
    import os

    from fewshot.catalog.place import database_url, files_root
    from fewshot.home import recipes_folder
    from fewshot.training.many import Job, artists_in
    from fewshot.training.tracking import check_trackers
    from fewshot.training.workers import fitting_workers, is_worker, run_workers
    from recipes import apply_overrides, load_recipe

    artists = artists_in(folder)
    chosen = apply_overrides(load_recipe(recipe, recipes_folder()), overrides or [])
    rights = consent_of(consent, consent_by, consent_expires)
    most = limit_of(memory_limit)
    job = Job(base, chosen, photos, licence, rights, check_trackers(track or ()), most)
    os.environ["FEWSHOT_CATALOG_DB"] = db or database_url()
    os.environ["FEWSHOT_CATALOG_ROOT"] = root or files_root()
    if is_worker():
        _work(artists, job)
        return
    check_catalog()
    count = min(workers or fitting_workers(), len(artists))
    notice(f"{len(artists)} artists, {count} at a time; what each says is in its run folder, adapt.log")
    found: dict[str, Done] = {}
    with progress("adapting", len(artists)) as bar:

        def note(done: "Done") -> None:
            # Two workers tell of one artist where the second one came after the first had added it.
            if found.get(done.artist) is None or done.state != "there":
                found[done.artist] = done
            bar.update(len(found))

        codes, asked = run_workers(sys.argv[1:], count, note)
    _report(found, [artist.name for artist in artists], format)
    if asked:
        notice("interrupted; the same command goes on")
        raise typer.Exit(130)
    dead = sum(code < 0 for code in codes)
    if dead:
        warn(f"{dead} of {count} workers died; the others took over what they were at")
    wrong = sorted(code for code in codes if code > 0)
    if wrong:
        raise typer.Exit(wrong[0])
    if len(found) < len(artists) or any(done.state == "failed" for done in found.values()):
        raise typer.Exit(3)


def _work(artists: "list[Artist]", job: "Job") -> None:
    from fewshot.catalog.place import database_url
    from fewshot.catalog.store import Catalog
    from fewshot.home import home
    from fewshot.training.claims import open_claims
    from fewshot.training.many import work
    from fewshot.training.workers import tell

    catalog = Catalog()
    claims = open_claims(database_url(), home() / "claims")
    try:
        work(artists, job, catalog, claims, tell)
    finally:
        claims.close()
        catalog.close()


def _report(found: "dict[str, Done]", names: list[str], format: Format) -> None:
    rows = [
        {"artist": d.artist, "path": f"{d.artist}@{d.version}", "style": f"{d.artist}@{d.version}",
         "what": {"there": "was there already"}.get(d.state, d.state), "minutes": d.minutes or None}
        for name in names if (d := found.get(name)) and d.state != "failed"
    ]  # fmt: skip
    if rows or format == "json":
        columns = ["path"] if format == "path" else ["artist", "style", "what", "minutes"]
        emit(rows, columns, format)
    for done in found.values():
        if done.state == "failed":
            warn(f"{done.artist}: {done.error}")
    for name in names:
        if name not in found:
            warn(f"{name}: not done")

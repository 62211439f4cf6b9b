"""Options that all verbs of `fewshot catalog` share, and how its rows are printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fewshot.catalog.adding import Added
    from fewshot.catalog.store import Catalog
    from fewshot.consent import Consent

Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        envvar="FEWSHOT_CATALOG_DB",
        show_envvar=False,
        help="Database: a path or postgresql://USER@HOST/NAME.",
    ),
]
Root = Annotated[
    str | None,
    typer.Option(
        "--root",
        envvar="FEWSHOT_CATALOG_ROOT",
        show_envvar=False,
        help="Where the files lie: a folder or s3://BUCKET/PREFIX.",
    ),
]
Style = Annotated[str, typer.Argument(metavar="NAME[@ALIAS|@3]", help="A style; the latest version if bare.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A style of the catalogue.")]


def open_catalog(db: str | None, root: str | None, *, new: bool = False) -> Catalog:
    """The catalogue that the options name; `new` where one may be made that is not there.

    Raises:
        NotFoundError: a database was named that is not there.
    """
    from fewshot.catalog.blobs import OWNER, Blobs
    from fewshot.catalog.place import database_url, files_root, is_there
    from fewshot.catalog.store import Catalog
    from fewshot.errors import NotFoundError, UsageError

    path = Path((db or "").removeprefix("sqlite:///")).expanduser()
    if db and path.is_dir():
        raise UsageError(f"--db {db} is a folder; expected a file", f"such as --db {path / 'catalog.db'}")
    if db and not new:
        empty = path.is_file() and path.stat().st_size == 0
        if empty or not is_there(db):
            raise NotFoundError(
                f"{db}: {'an empty file' if empty else 'no such file'}; expected the database of a catalogue",
                "check --db or FEWSHOT_CATALOG_DB; `fewshot catalog add` makes a new one",
            )
    if new and not is_there(db or ""):
        # Before a database is made: files of another one in that place are a sign of a mistyped name.
        owner = Blobs(root or files_root()).note(OWNER)
        if owner:
            raise NotFoundError(
                f"{db or database_url()}: no such file, and {root or files_root()} is another catalogue's",
                "check --db or FEWSHOT_CATALOG_DB; for a new catalogue name another --root too",
            )
    return Catalog(db, root)


def check_catalog() -> None:
    """Before hours of work: whether what comes of them can be added; raises as `Catalog` does."""
    from fewshot.catalog.store import Catalog

    catalog = Catalog()
    catalog.claim_root()
    catalog.close()


def add_to_catalog(adapter: Path, licence: str, consent: Consent) -> None:
    """Add a fresh adapter; where that fails, say that it is there all the same."""
    from fewshot.catalog.adding import Facts, add
    from fewshot.catalog.store import Catalog
    from fewshot.consent import UNKNOWN
    from fewshot.errors import FewshotError
    from fewshot.output import notice

    said = Facts(
        licence=licence if licence != "unknown" else None, consent=consent if consent != UNKNOWN else None
    )
    try:
        tell_added(add(Catalog(), adapter, facts=said))
    except FewshotError:
        notice(f"the style is learned; once the catalogue takes it: fewshot catalog add {adapter.parent}")
        raise


def tell_added(added: Added) -> None:
    """Say what `add` or `import` did, on stderr."""
    from fewshot.output import notice, warn

    label = f"{added.name}@{added.number}"
    notice(
        f"added {label}"
        if added.created
        else f"{label} is exactly this already: no new version, files checked"
    )
    if added.refusal:
        warn(f"{label} may not be used: {added.refusal}")
        return
    for other in added.duplicates:
        warn(f"{label} has the same weights as {other}: a withdrawal of either refuses both")


def short_hash(sha256: str) -> str:
    """A sha256 as a person reads it; JSON has it whole."""
    return f"{sha256[:12]}…" if sha256 else ""

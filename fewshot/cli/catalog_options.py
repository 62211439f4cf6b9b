"""Options that all verbs of `fewshot catalog` share, and how its rows are printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fewshot.catalog.adding import Added
    from fewshot.catalog.store import Catalog

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
    from fewshot.catalog.place import is_there
    from fewshot.catalog.store import Catalog
    from fewshot.errors import NotFoundError

    if db and not new and not is_there(db):
        raise NotFoundError(
            f"{db}: no such catalogue; expected a database that is there",
            "check --db or FEWSHOT_CATALOG_DB; `fewshot catalog add` makes a new one",
        )
    return Catalog(db, root)


def check_catalog() -> None:
    """Before hours of work: whether what comes of them can be added; raises as `Catalog` does."""
    from fewshot.catalog.store import Catalog

    catalog = Catalog()
    catalog.claim_root()
    catalog.close()


def add_to_catalog(adapter: Path) -> None:
    """Add a fresh adapter; where that fails, say that it is there all the same."""
    from fewshot.catalog.adding import add
    from fewshot.catalog.store import Catalog
    from fewshot.errors import FewshotError
    from fewshot.output import notice

    try:
        tell_added(add(Catalog(), adapter))
    except FewshotError:
        notice(f"the style is learned; once the catalogue works again: fewshot catalog add {adapter.parent}")
        raise


def tell_added(added: Added) -> None:
    """Say what `add` or `import` did, on stderr."""
    from fewshot.output import notice, warn

    label = f"{added.name}@{added.number}"
    notice(f"added {label}" if added.created else f"{label} is exactly this already; no new version was made")
    for other in added.duplicates:
        warn(f"{label} has the same weights as {other}: a withdrawal of either refuses both")


def short_hash(sha256: str) -> str:
    """A sha256 as a person reads it; JSON has it whole."""
    return f"{sha256[:12]}…" if sha256 else ""

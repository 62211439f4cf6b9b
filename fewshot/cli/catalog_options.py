"""Options that all verbs of `fewshot catalog` share, and how its rows are printed."""

from __future__ import annotations

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


def open_catalog(db: str | None, root: str | None) -> Catalog:
    """The catalogue that the options name."""
    from fewshot.catalog.store import Catalog

    return Catalog(db, root)


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

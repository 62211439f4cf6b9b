"""The verbs of `fewshot catalog` that change what is there: tag, alias, consent, edit, rm."""

import hashlib
import re
from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.catalog_options import Db, Name, Root, Style, open_catalog
from fewshot.output import emit, notice, warn


def tag(
    name: Name,
    words: Annotated[list[str] | None, typer.Argument(metavar="[TAG...]", help="Words to give it.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A word to take away.")] = None,
    db: Db = None,
    root: Root = None,
) -> None:
    """Give a style words to find it by, and print those it has.

    Exit code 2: a word with spaces or signs. 4: no such style.
    """
    from fewshot.catalog.changing import tag as change

    words_now = change(open_catalog(db, root), name, words or (), remove or ())
    emit([{"path": word} for word in words_now], ["path"], "path")


def alias(
    style: Style,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="A word, such as approved.")] = "",
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the alias away (NAME@ALIAS is enough).")
    ] = False,
    db: Db = None,
    root: Root = None,
) -> None:
    """Give a version a name that can be moved: `alias ink@3 approved`.

    Exit code 2: `latest` and numbers are reserved. 4: no such style, version or alias.
    """
    from fewshot.catalog import changing
    from fewshot.errors import UsageError

    name, _, which = style.partition("@")
    alias = alias or (which if remove else "")
    if not alias:
        raise UsageError("no alias was given", f"such as: fewshot catalog alias {style} approved")
    if remove:
        changing.unalias(open_catalog(db, root), name, alias)
        notice(f"{name}@{alias} is no more")
    else:
        number, before = changing.alias(open_catalog(db, root), style, alias)
        was = f" (it was {name}@{before})" if before not in (None, number) else ""
        notice(f"{name}@{alias} is {name}@{number}{was}")


def consent(
    name: Name,
    status: Annotated[
        str, typer.Argument(metavar="STATUS", help="granted, self, public-domain, unknown or withdrawn.")
    ],
    by: Annotated[str, typer.Option(help="Who gave it or took it back.")] = "",
    date: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="When.")] = "",
    scope: Annotated[str, typer.Option(help="For what, in words.")] = "",
    expires: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="The last day it holds.")] = "",
    evidence: Annotated[
        str, typer.Option(metavar="FILE|SHA256", help="The letter or form; its sha256 is kept, not it.")
    ] = "",
    db: Db = None,
    root: Root = None,
) -> None:
    """Write down what the artist agreed to; the log keeps what was there before.

    A style whose consent is withdrawn or expired cannot be drawn with or exported, under whatever name.

    Exit code 2: an unknown status, or an odd date. 4: no such style, or no such evidence.
    """
    from fewshot.catalog.changing import set_consent
    from fewshot.consent import Consent
    from fewshot.errors import NotFoundError

    if evidence and not re.fullmatch("[0-9a-f]{64}", evidence):
        if not Path(evidence).is_file():
            raise NotFoundError(
                f"--evidence {evidence}: no such file, and no sha256 of 64 digits", "check the path"
            )
        evidence = hashlib.sha256(Path(evidence).read_bytes()).hexdigest()
    given = Consent(status, by, date, scope, expires, evidence)  # type: ignore[arg-type]
    refusal = set_consent(open_catalog(db, root), name, given)
    notice(f"{name}: {given.refusal() or given.status}")
    if refusal and not given.refusal():
        warn(f"{name} may not be used all the same: {refusal}")


def edit(
    name: Name,
    artist: Annotated[str | None, typer.Option(help="Whose hand it is.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX identifier, or words.")] = None,
    notes: Annotated[str | None, typer.Option(help="Anything worth remembering.")] = None,
    db: Db = None,
    root: Root = None,
) -> None:
    """Change artist, licence and notes of a style.

    Exit code 4: no such style.
    """
    from fewshot.catalog.adding import Facts
    from fewshot.catalog.changing import edit as change

    changed = change(open_catalog(db, root), name, Facts(artist=artist, licence=licence, notes=notes))
    for field, (before, after) in changed.items():
        notice(f"{field}: {before!r} → {after!r}")
    if not changed:
        notice(f"{name}: nothing to change; --artist, --licence and --notes say what")


def rm(
    style: Annotated[str, typer.Argument(metavar="NAME[@3]", help="One version, or all if bare.")],
    db: Db = None,
    root: Root = None,
) -> None:
    """Remove a version, or a style with all its versions; the log keeps that it was there.

    Exit code 4: no such style or version. 5: an alias points to it.
    """
    from fewshot.catalog.changing import rm as remove

    gone = remove(open_catalog(db, root), style)
    name = style.partition("@")[0]
    notice(f"removed {', '.join(f'{name}@{number}' for number in gone)}; `fewshot catalog gc` frees the disk")


def register(app: typer.Typer) -> None:
    """Put these verbs into the group."""
    for verb in (tag, alias, consent, edit, rm):
        app.command(verb.__name__)(verb)

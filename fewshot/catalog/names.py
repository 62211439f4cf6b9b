"""What a person writes for a style: `name`, `name@3`, `name@approved`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from fewshot.catalog.models import Alias, Entry, Version
from fewshot.errors import NotFoundError, UsageError
from fewshot.home import check_name

_NUMBER = re.compile(r"v?(\d{1,9})")


@dataclass(frozen=True)
class Reference:
    """A style, and which state of it."""

    name: str
    which: str = ""
    """A version number, an alias, or nothing for the latest."""

    @property
    def number(self) -> int | None:
        """The version number that `which` is, as `3` or `v3`."""
        found = _NUMBER.fullmatch(self.which)
        return int(found[1]) if found else None

    def __str__(self) -> str:
        return f"{self.name}@{self.which}" if self.which else self.name


def parse(text: str) -> Reference:
    """Read `name[@number|@alias]`; raises UsageError for what is no name."""
    name, at, which = text.partition("@")
    if at and not which:
        raise UsageError(f"{text!r} has nothing after the @", f"write {name}, {name}@3 or {name}@ALIAS")
    which = "" if which == "latest" else which
    return Reference(check_name(name), which and check_name(which, "alias"))


def check_alias(name: str) -> str:
    """An alias that may be given; raises UsageError for those that already mean something."""
    if name == "latest" or _NUMBER.fullmatch(name):
        raise UsageError(
            f"the alias {name!r} is reserved: it means a version already",
            "choose a word, such as approved or v3-final",
        )
    return check_name(name, "alias")


def find_entry(session: Session, name: str, *, lock: bool = False) -> Entry:
    """The entry of that name; locked, others that change it wait until the transaction ends.

    Raises:
        NotFoundError: there is none; the hint names the nearest.
    """
    query = select(Entry).where(Entry.name == name)
    entry = session.scalar(query.with_for_update() if lock else query)
    if entry is None or entry.latest is None:
        raise NotFoundError(f"there is no style {name!r} in the catalogue", _nearest(session, name))
    return entry


def find_version(session: Session, reference: Reference, *, lock: bool = False) -> tuple[Entry, Version]:
    """The entry and the version that a reference means.

    Raises:
        NotFoundError: no such style, version or alias.
    """
    entry = find_entry(session, reference.name, lock=lock)
    query = select(Version).where(Version.entry_id == entry.id)
    number = reference.number if reference.which else entry.latest
    if number is not None:
        version = session.scalar(query.where(Version.number == number))
    else:
        alias = (Alias.entry_id == Version.entry_id) & (Alias.version_id == Version.id)
        version = session.scalar(query.join(Alias, alias).where(Alias.name == reference.which))
    if version is None:
        numbers = session.scalars(
            select(Version.number).where(Version.entry_id == entry.id).order_by(Version.number)
        )
        aliases = session.scalars(select(Alias.name).where(Alias.entry_id == entry.id).order_by(Alias.name))
        there = [*map(str, numbers), *aliases]
        what = f"alias {reference.which!r}" if reference.number is None else f"version {reference.number}"
        raise NotFoundError(
            f"the style {entry.name} has no {what}",
            f"it has {', '.join(f'{entry.name}@{which}' for which in there[:8])}",
        )
    return entry, version


def _nearest(session: Session, name: str) -> str:
    names = list(session.scalars(select(Entry.name).where(Entry.latest.is_not(None)).order_by(Entry.name)))
    if not names:
        return "it is empty: fewshot catalog add FOLDER"
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"`fewshot catalog ls` lists all {len(names)}"

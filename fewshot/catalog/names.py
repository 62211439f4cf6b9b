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

LATEST = "latest"
"""Means the version with the highest number."""
_NUMBER = re.compile(r"v?([0-9]+)")
_HIGHEST = 2**31 - 1
"""Of what a column of numbers holds; no version has it."""


@dataclass(frozen=True)
class Reference:
    """A style, and which state of it."""

    name: str
    which: str = ""
    """A version number, an alias, `latest`, or nothing: the style as a whole, or its latest version."""

    @property
    def number(self) -> int | None:
        """The version number that `which` is, as `3` or `v3`."""
        found = _NUMBER.fullmatch(self.which)
        return min(int(found[1][:18]), _HIGHEST) if found else None

    def __str__(self) -> str:
        return f"{self.name}@{self.which}" if self.which else self.name


def parse(text: str) -> Reference:
    """Read `name[@number|@alias]`; raises UsageError for what is no name."""
    name, at, which = text.partition("@")
    if at and not which:
        raise UsageError(f"{text!r} has nothing after the @", f"write {name}, {name}@3 or {name}@ALIAS")
    try:
        return Reference(check_name(name), which and check_name(which, "alias"))
    except UsageError as error:
        raise UsageError(str(error), "`fewshot catalog ls` lists the names that there are") from None


def parse_whole(text: str) -> str:
    """The name of a style, for what is done to all its versions; raises UsageError for `name@3`."""
    reference = parse(text)
    if reference.which:
        raise UsageError(
            f"{text} is one version; this is kept for the style as a whole", f"write {reference.name}"
        )
    return reference.name


def check_alias(name: str) -> str:
    """An alias that may be given; raises UsageError for those that already mean something."""
    if name == LATEST or _NUMBER.fullmatch(name):
        raise UsageError(
            f"the alias {name!r} is reserved: it means a version already",
            "choose a word, such as approved or v3-final",
        )
    return check_name(name, "alias")


def find_entry(session: Session, name: str, *, lock: bool = False, emptied: bool = False) -> Entry:
    """The entry of that name; locked, others that change it wait until the transaction ends.

    Args:
        emptied: also one whose versions were all removed.

    Raises:
        NotFoundError: there is none; the hint names the nearest.
    """
    query = select(Entry).where(Entry.name == name)
    entry = session.scalar(query.with_for_update() if lock else query)
    if entry is None or (entry.latest is None and not emptied):
        raise NotFoundError(f"there is no style {name!r} in the catalogue", _nearest(session, name))
    return entry


def find_version(session: Session, reference: Reference, *, lock: bool = False) -> tuple[Entry, Version]:
    """The entry and the version that a reference means.

    Raises:
        NotFoundError: no such style, version or alias.
    """
    entry = find_entry(session, reference.name, lock=lock)
    query = select(Version).where(Version.entry_id == entry.id)
    number = entry.latest if reference.which in ("", LATEST) else reference.number
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
        kind = "alias" if reference.number is None else "version"
        raise NotFoundError(
            f"the style {entry.name} has no {kind} {reference.which}",
            f"it has {', '.join(f'{entry.name}@{which}' for which in there[:8])}",
        )
    return entry, version


def _nearest(session: Session, name: str) -> str:
    names = list(session.scalars(select(Entry.name).where(Entry.latest.is_not(None)).order_by(Entry.name)))
    if not names:
        return "it is empty: fewshot catalog add FOLDER"
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"`fewshot catalog ls` lists all {len(names)}"

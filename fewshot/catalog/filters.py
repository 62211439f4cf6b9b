"""Which styles a list shows, as a condition of a query."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from fewshot.catalog.models import Entry, Tag, Version, Weights
from fewshot.catalog.store import fold
from fewshot.consent import STATUSES
from fewshot.errors import UsageError


@dataclass(frozen=True)
class Filter:
    """Which styles a list shows."""

    words: Sequence[str] = ()
    """Each has to be a part of name, artist, licence, notes or a tag."""
    tags: Sequence[str] = ()
    """All of them."""
    artist: str = ""
    """Exactly that artist."""
    base: str = ""
    """Of the latest version."""
    names: Collection[str] = ()
    """One of these."""
    consent: str = ""
    """A status as it counts today; `expired` for those whose last day is over, `usable` for all that may be
    drawn with."""


def filtered(wanted: Filter, *columns: Any) -> Any:
    """A query of columns of the entries that are wanted and of their latest versions."""
    latest = (Version.entry_id == Entry.id) & (Version.number == Entry.latest)
    query: Any = select(*columns).select_from(Entry).join(Version, latest)
    for word in wanted.words:
        query = query.where(Entry.words.contains(fold(word), autoescape=True))
    for tag in wanted.tags:
        tagged = select(Tag.entry_id).where(Tag.tag == unicodedata.normalize("NFC", tag))
        query = query.where(Entry.id.in_(tagged))
    if wanted.names:
        query = query.where(Entry.name.in_(wanted.names))
    if wanted.artist:
        query = query.where(Entry.artist == wanted.artist)
    if wanted.base:
        query = query.where(Version.base_name == wanted.base)
    if wanted.consent:
        query = query.where(_consent(wanted.consent))
    return query


def _consent(wanted: str) -> Any:
    if wanted not in (*STATUSES, "expired", "usable"):
        known = ", ".join((*STATUSES, "expired", "usable"))
        raise UsageError(f"consent {wanted!r} is unknown", f"write one of {known}")
    other = aliased(Entry)
    having = select(Weights.tensors_sha256).join(other, other.id == Weights.entry_id)
    withdrawn, expired = (
        _is(Entry, state) | Version.tensors_sha256.in_(having.where(_is(other, state)))
        for state in ("withdrawn", "expired")
    )
    if wanted == "withdrawn":
        return withdrawn
    if wanted == "usable":
        return ~withdrawn & ~expired
    return ~withdrawn & (expired if wanted == "expired" else _is(Entry, wanted) & ~expired)


def _is(entry: Any, state: str) -> Any:
    """As `Consent.state`: a withdrawal cannot expire, and what nobody said anything of is unknown."""
    status = func.coalesce(entry.consent["status"].as_string(), "unknown")
    if state != "expired":
        return status == state
    last_day = func.coalesce(entry.consent["expires"].as_string(), "")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (status != "withdrawn") & (last_day != "") & (last_day < today)

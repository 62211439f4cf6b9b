"""`ls`, `show`, `search` by words, and `log`: what a catalogue tells."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from fewshot.catalog.adding import twins
from fewshot.catalog.allowing import Said, consent_for, refusals
from fewshot.catalog.models import Alias, Entry, Event, File, Metric, Tag, Version, Weights
from fewshot.catalog.names import find_entry, find_version, parse, parse_whole
from fewshot.catalog.store import Catalog, fold
from fewshot.consent import STATUSES, Consent
from fewshot.errors import UsageError

SORTS = ("name", "created", "size", "artist")
"""Beside the name of any metric."""


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
    """A status as it counts today; `expired` for those whose last day is over."""


@dataclass(frozen=True)
class Listed:
    """One line of a list: a style and its latest version."""

    name: str
    version: int
    artist: str
    licence: str
    consent: str
    """The status as it counts today, or `expired`; another style's with these weights where that refuses."""
    tags: tuple[str, ...]
    aliases: tuple[str, ...]
    """As `approved=3`."""
    base: str
    size: int
    """Bytes of the version's files."""
    created: str
    """When the version was added."""
    value: float | None
    """Of the metric by which the list is sorted."""


@dataclass(frozen=True)
class Page:
    """A part of a list."""

    rows: tuple[Listed, ...]
    total: int
    """Lines of the whole list."""


def ls(
    catalog: Catalog,
    wanted: Filter | None = None,
    *,
    sort: str = "name",
    descending: bool = False,
    limit: int = 50,
    offset: int = 0,
) -> Page:
    """A page of the styles, each with its latest version.

    Args:
        sort: one of `SORTS`, or a metric such as `kid.adapter`; styles without it come last.

    Raises:
        UsageError: an unknown consent, or a metric that no style has.
    """
    wanted = wanted or Filter()
    with catalog.read() as session:
        total = session.scalar(_filtered(wanted, func.count(Entry.id))) or 0
        column = _sort_column(session, sort)
        # Rows are wide: order the keys alone, then read those of the page.
        keys = _filtered(wanted, Entry.id, Version.id, column.label("value"))
        if sort not in SORTS:
            named = (Metric.version_id == Version.id) & (Metric.name == sort)
            keys = keys.outerjoin(Metric, named)
        order = column.desc() if descending else column.asc()
        page = session.execute(
            keys.order_by(order.nulls_last(), Entry.name).limit(limit).offset(offset)
        ).all()
        found = _rows(session, page)
        return Page(tuple(_listed(session, found, metric=sort not in SORTS)), total)


def names(catalog: Catalog, wanted: Filter) -> frozenset[str]:
    """The styles that a filter leaves; raises UsageError for an unknown consent."""
    with catalog.read() as session:
        return frozenset(session.scalars(_filtered(wanted, Entry.name)))


def show(catalog: Catalog, text: str) -> dict[str, Any]:
    """Everything that is known of one version.

    Raises:
        NotFoundError: no such style, version or alias.
    """
    with catalog.read() as session:
        entry, version = find_version(session, parse(text))
        numbers = session.scalars(
            select(Version.number).where(Version.entry_id == entry.id).order_by(Version.number)
        )
        aliases = _aliases(session, [entry.id]).get(entry.id, [])
        files = session.scalars(select(File).where(File.version_id == version.id).order_by(File.path))
        return {
            "name": entry.name,
            "version": version.number,
            "versions": list(numbers),
            "aliases": aliases,
            "artist": entry.artist,
            "licence": entry.licence,
            "consent": Consent.from_dict(entry.consent).to_dict(),
            "refused": consent_for(session, version.tensors_sha256, entry).refusal(entry.name),
            "tags": _tags(session, [entry.id]).get(entry.id, []),
            "notes": entry.notes,
            "created": version.created,
            "base": version.base_name,
            "base_sha256": version.base_sha256,
            "recipe_hash": version.recipe_hash,
            "tensors_sha256": version.tensors_sha256,
            "same_weights": [f"{name}@{number}" for name, number in twins(session, version)],
            "metrics": version.metrics,
            "references": version.references,
            "size": version.size,
            "files": [
                {"path": f.path, "sha256": f.sha256, "size": f.size, "stored": catalog.blobs.where(f.sha256)}
                for f in files
            ],
        }


def log(catalog: Catalog, name: str = "", *, limit: int = 50) -> list[dict[str, Any]]:
    """The newest lines of the log, of one style or of all, newest first; removed styles are in it too.

    Raises:
        NotFoundError: there never was such a style.
    """
    with catalog.read() as session:
        query = select(Event).order_by(Event.id.desc()).limit(limit)
        if name:
            query = query.where(Event.entry == parse_whole(name))
        columns = ("id", "time", "who", "verb", "entry", "version", "detail")
        lines = [{column: getattr(row, column) for column in columns} for row in session.scalars(query)]
        if name and not lines:
            find_entry(session, parse_whole(name))
        return lines


def _rows(session: Session, keys: Sequence[Any]) -> list[tuple[Entry, Version, float | None]]:
    """The rows of keys `(entry, version, value)`, in their order."""
    entries = session.scalars(select(Entry).where(Entry.id.in_([key[0] for key in keys])))
    versions = session.scalars(select(Version).where(Version.id.in_([key[1] for key in keys])))
    by_entry = {entry.id: entry for entry in entries}
    by_version = {version.id: version for version in versions}
    return [(by_entry[entry], by_version[version], value) for entry, version, value in keys]


def _filtered(wanted: Filter, *columns: Any) -> Any:
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
    if wanted not in (*STATUSES, "expired"):
        raise UsageError(f"consent {wanted!r} is unknown", f"write one of {', '.join(STATUSES)}, expired")
    other = aliased(Entry)
    having = select(Weights.tensors_sha256).join(other, other.id == Weights.entry_id)
    withdrawn, expired = (
        _is(Entry, state) | Version.tensors_sha256.in_(having.where(_is(other, state)))
        for state in ("withdrawn", "expired")
    )
    if wanted == "withdrawn":
        return withdrawn
    return ~withdrawn & (expired if wanted == "expired" else _is(Entry, wanted) & ~expired)


def _is(entry: Any, state: str) -> Any:
    """As `Consent.state`: a withdrawal cannot expire, and what nobody said anything of is unknown."""
    status = func.coalesce(entry.consent["status"].as_string(), "unknown")
    if state != "expired":
        return status == state
    last_day = func.coalesce(entry.consent["expires"].as_string(), "")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (status != "withdrawn") & (last_day != "") & (last_day < today)


def _sort_column(session: Session, sort: str) -> Any:
    columns: dict[str, Any] = {
        "name": Entry.name,
        "created": Version.created,
        "size": Version.size,
        "artist": Entry.artist,
    }
    if sort in columns:
        return columns[sort]
    if session.scalar(select(Metric.name).where(Metric.name == sort).limit(1)) is None:
        known = session.scalars(select(Metric.name).distinct().order_by(Metric.name)).all()
        listed = ", ".join([*SORTS, *known][:16])
        raise UsageError(f"nothing can be sorted by {sort!r}", f"sort by one of {listed}")
    return Metric.value


def _listed(session: Session, found: Sequence[Any], *, metric: bool) -> list[Listed]:
    ids = [entry.id for entry, _, _ in found]
    refused = refusals(session, {version.tensors_sha256 for _, version, _ in found})
    tags, aliases = _tags(session, ids), _aliases(session, ids)
    rows = []
    for entry, version, value in found:
        rows.append(
            Listed(
                name=entry.name,
                version=version.number,
                artist=entry.artist,
                licence=entry.licence,
                consent=_state(entry, refused.get(version.tensors_sha256)),
                tags=tuple(tags.get(entry.id, ())),
                aliases=tuple(aliases.get(entry.id, ())),
                base=version.base_name,
                size=version.size,
                created=version.created,
                value=value if metric else None,
            )
        )
    return rows


def _state(entry: Entry, refused: Said | None) -> str:
    own = Consent.from_dict(entry.consent)
    return refused.consent.state() if refused and not own.refusal() else own.state()


def _tags(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    query = select(Tag.entry_id, Tag.tag).where(Tag.entry_id.in_(ids)).order_by(Tag.tag)
    found: dict[int, list[str]] = {}
    for entry_id, tag in session.execute(query):
        found.setdefault(entry_id, []).append(tag)
    return found


def _aliases(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    query = (
        select(Alias.entry_id, Alias.name, Version.number)
        .join(Version, Version.id == Alias.version_id)
        .where(Alias.entry_id.in_(ids))
        .order_by(Alias.name)
    )
    found: dict[int, list[str]] = {}
    for entry_id, name, number in session.execute(query):
        found.setdefault(entry_id, []).append(f"{name}={number}")
    return found

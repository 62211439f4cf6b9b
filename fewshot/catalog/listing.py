"""`ls`, `show`, `search` by words, and `log`: what a catalogue tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fewshot.catalog.adding import twins
from fewshot.catalog.allowing import Said, consent_for, refusals
from fewshot.catalog.filters import Filter, filtered
from fewshot.catalog.models import Alias, Entry, Event, File, Metric, Tag, Version
from fewshot.catalog.names import find_entry, find_version, parse, parse_whole
from fewshot.catalog.store import Catalog
from fewshot.consent import Consent
from fewshot.errors import UsageError

SORTS = ("name", "created", "size", "artist")
"""Beside the name of any metric."""


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
        total = session.scalar(filtered(wanted, func.count(Entry.id))) or 0
        column = _sort_column(session, sort)
        # Rows are wide: order the keys alone, then read those of the page.
        keys = filtered(wanted, Entry.id, Version.id, column.label("value"))
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
        return frozenset(session.scalars(filtered(wanted, Entry.name)))


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

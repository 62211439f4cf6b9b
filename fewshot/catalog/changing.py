"""`tag`, `alias`, `consent`, `edit`, `rm`: what may change about a style that is there."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select

from fewshot.catalog.adding import Facts
from fewshot.catalog.allowing import consent_for
from fewshot.catalog.models import Alias, Tag, Version
from fewshot.catalog.names import LATEST, Reference, check_alias, find_entry, find_version, parse, parse_whole
from fewshot.catalog.store import Catalog, features_changed, remember_words
from fewshot.consent import Consent
from fewshot.errors import ConflictError, NotFoundError, UsageError
from fewshot.home import check_name


def tag(catalog: Catalog, name: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> list[str]:
    """Give a style words and take others away; the words it has then.

    Raises:
        NotFoundError: no such style.
        UsageError: a word with spaces or signs.
    """
    fresh, gone = ([check_name(word, "tag") for word in words] for words in (add, remove))
    with catalog.write() as session:
        entry = find_entry(session, parse_whole(name), lock=True)
        mine = Tag.entry_id == entry.id
        before = set(session.scalars(select(Tag.tag).where(mine)))
        kept = before - set(gone)
        session.execute(delete(Tag).where(mine, Tag.tag.in_(gone)))
        after = kept | set(fresh)
        session.add_all(Tag(entry_id=entry.id, tag=word) for word in sorted(after - kept))
        session.flush()
        remember_words(session, entry)
        if after != before:
            changed = {"added": sorted(after - before), "removed": sorted(before - after)}
            catalog.record(session, "tag", entry.name, changed)
        return sorted(after)


def alias(catalog: Catalog, text: str, name: str) -> tuple[int, int | None]:
    """Give a version a name that can be moved to another one later.

    Returns:
        The version's number, and that of the version that had the alias before.

    Raises:
        UsageError: a name that is reserved: `latest`, a number.
        NotFoundError: no such style or version.
    """
    name = check_alias(name)
    with catalog.write() as session:
        entry, version = find_version(session, parse(text), lock=True)
        there = session.get(Alias, (entry.id, name))
        before = session.get_one(Version, there.version_id).number if there else None
        session.merge(Alias(entry_id=entry.id, name=name, version_id=version.id))
        if before != version.number:
            catalog.record(session, "alias", entry.name, {"alias": name, "before": before}, version.number)
        return version.number, before


def unalias(catalog: Catalog, text: str, name: str) -> None:
    """Take an alias away; raises NotFoundError where there is none of that name."""
    with catalog.write() as session:
        entry = find_entry(session, parse_whole(text), lock=True)
        name = check_name(name, "alias")
        there = session.get(Alias, (entry.id, name))
        if there is None:
            raise NotFoundError(
                f"the style {entry.name} has no alias {name!r}", f"fewshot catalog show {entry.name}"
            )
        number = session.get_one(Version, there.version_id).number
        session.delete(there)
        catalog.record(session, "unalias", entry.name, {"alias": name}, number)


def set_consent(catalog: Catalog, name: str, consent: Consent) -> str:
    """Write down what the artist agreed to; the log keeps what was there before.

    It is about the weights, and so outlives them: also for a style whose versions were all removed.

    Returns:
        Why its newest version may not be used all the same, in words: what was said of another style with
        the same weights counts too. Empty where it may.

    Raises:
        NotFoundError: there never was such a style.
        UsageError: `name@3`: consent is to the style, not to a version; or a day to come.
    """
    name = parse_whole(name)
    consent.check_said_today()
    with catalog.write() as session:
        entry = find_entry(session, name, lock=True, emptied=True)
        before, entry.consent = entry.consent, consent.to_dict()
        catalog.record(session, "consent", entry.name, {"before": before, "after": entry.consent})
        newest = select(Version.tensors_sha256).where(
            Version.entry_id == entry.id, Version.number == entry.latest
        )
        weights = session.scalar(newest)
        return consent_for(session, weights or "", entry).refusal(entry.name)


def edit(catalog: Catalog, name: str, facts: Facts) -> dict[str, list[str]]:
    """Change artist, licence and notes of a style; what is None stays. What changed, before and after.

    Raises:
        NotFoundError: no such style.
    """
    with catalog.write() as session:
        entry = find_entry(session, parse_whole(name), lock=True)
        changed = {}
        for field in ("artist", "licence", "notes"):
            value = getattr(facts, field)
            if value is not None and value != getattr(entry, field):
                changed[field] = [getattr(entry, field), value]
                setattr(entry, field, value)
        if changed:
            remember_words(session, entry)
            catalog.record(session, "edit", entry.name, changed)
        return changed


def rm(catalog: Catalog, text: str) -> list[int]:
    """Remove one version, or with a bare name all of them; the numbers that are gone.

    The files stay until `gc`. The log and the consent stay for good, and the numbers are never given again.

    Raises:
        UsageError: `name@alias`.
        ConflictError: an alias points to one of them; nothing is removed then.
        NotFoundError: no such style or version.
    """
    reference = parse(text)
    if reference.which not in ("", LATEST) and reference.number is None:
        raise UsageError(
            f"{text}: an alias is no version", f"remove the alias with: fewshot catalog alias {text} --remove"
        )
    with catalog.write() as session:
        entry = find_entry(session, reference.name, lock=True)
        query = select(Version).where(Version.entry_id == entry.id).order_by(Version.number)
        if reference.which:
            version = find_version(session, Reference(entry.name, reference.which))[1]
            query = query.where(Version.id == version.id)
        gone = list(session.scalars(query))
        aliased = session.scalars(select(Alias).where(Alias.version_id.in_([v.id for v in gone]))).all()
        if aliased:
            names = sorted(f"{entry.name}@{alias.name}" for alias in aliased)
            removals = "; ".join(f"fewshot catalog alias {name} --remove" for name in names[:4])
            raise ConflictError(
                f"{text} is in use as {', '.join(names)}", f"take them away first: {removals}"
            )
        for version in gone:
            catalog.record(session, "rm", entry.name, {"files": version.files_sha256}, version.number)
        session.execute(delete(Version).where(Version.id.in_([v.id for v in gone])))
        entry.latest = session.scalar(select(func.max(Version.number)).where(Version.entry_id == entry.id))
        features_changed(session)
        return [version.number for version in gone]

"""`add`: a new version of a style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from fewshot.catalog.allowing import consent_for
from fewshot.catalog.contents import Contents, numbers, read_contents
from fewshot.catalog.models import Alias, Entry, Features, File, Metric, Tag, Version, Weights
from fewshot.catalog.names import check_alias
from fewshot.catalog.store import Catalog, features_changed, now, remember_words
from fewshot.consent import UNKNOWN, Consent, stricter
from fewshot.errors import IntegrityError
from fewshot.home import check_name, check_text


@dataclass(frozen=True)
class Facts:
    """What is said of a style beside its files; what is left out stays as it is.

    Raises:
        UsageError: text that cannot be stored.
    """

    artist: str | None = None
    licence: str | None = None
    """SPDX identifier, or words."""
    notes: str | None = None
    tags: Sequence[str] = ()
    alias: str | None = None
    """Moved to the version that is added."""
    consent: Consent | None = None
    """Said now: it replaces what was known."""
    stated: Consent | None = None
    """Said by whoever passed the files on: it counts where nothing is known, and where it is withdrawn."""

    def __post_init__(self) -> None:
        for name in ("artist", "licence", "notes"):
            check_text(getattr(self, name) or "", name)


@dataclass(frozen=True)
class Added:
    """What `add` did."""

    name: str
    number: int
    created: bool
    """False when the style had exactly this version already."""
    duplicates: tuple[str, ...]
    """Versions of other styles with the same weights, as `name@3`."""
    refusal: str = ""
    """Why it may not be used all the same, in words."""


def add(catalog: Catalog, folder: Path, *, name: str | None = None, facts: Facts | None = None) -> Added:
    """Add an adapter folder, or the run that holds one, as the newest version of a style.

    Args:
        catalog: where to.
        folder: what `fewshot adapt` wrote, or a PEFT folder made for a base of this machine.
        name: of the style; the adapter's own when left out.
        facts: what is known of it beside its files.

    Raises:
        NotFoundError: no adapter there, or its base is not known here.
        IntegrityError: damaged, changed, or of another state of its base; or a consent is given to what
            was withdrawn.
        ConflictError: the files' root is not this catalogue's.
        UsageError: a name or alias that cannot be one.
    """
    contents = read_contents(folder)
    return add_contents(catalog, contents, check_name(name or contents.name), facts or Facts(), "add")


def add_contents(catalog: Catalog, contents: Contents, name: str, facts: Facts, verb: str) -> Added:
    """The same for files that are in memory; `verb` goes into the log."""
    alias = facts.alias and check_alias(facts.alias)
    tags = [check_name(tag, "tag") for tag in facts.tags]
    _put_all(catalog, contents)
    with catalog.write() as session:
        catalog.hold_files(session)
        for path, sha256 in contents.hashes.items():
            # `gc` may have taken it for a stray file until now; from here on it waits.
            if not catalog.blobs.has(sha256):
                catalog.blobs.put(contents.files[path])
        entry = catalog.entry_to_change(session, name)
        version = _same(session, entry, contents)
        created = version is None
        if version is None:
            version = _insert(session, entry, contents)
        _state_facts(catalog, session, entry, contents, facts)
        session.flush()
        for tag in tags:
            session.merge(Tag(entry_id=entry.id, tag=tag))
        if alias:
            session.merge(Alias(entry_id=entry.id, name=alias, version_id=version.id))
        session.flush()
        remember_words(session, entry)
        duplicates = tuple(f"{other}@{number}" for other, number in twins(session, version))
        said = {"new": created, "files": version.files_sha256, "duplicates": list(duplicates)}
        catalog.record(session, verb, name, said, version.number)
        refusal = consent_for(session, version.tensors_sha256, entry).refusal(name)
        number = version.number
    if created:
        catalog.note_state()
    return Added(name, number, created, duplicates, refusal)


def twins(session: Session, version: Version) -> list[tuple[str, int]]:
    """Name and number of other styles' versions with the same weights."""
    query = (
        select(Entry.name, Version.number)
        .join(Version, Version.entry_id == Entry.id)
        .where(Version.tensors_sha256 == version.tensors_sha256, Entry.id != version.entry_id)
        .order_by(Entry.name, Version.number)
    )
    return [(name, number) for name, number in session.execute(query)]


def _put_all(catalog: Catalog, contents: Contents) -> None:
    """Store the files. One that other versions have is read instead, and put again if it is damaged."""
    catalog.claim_root()
    with catalog.read() as session:
        query = select(File.sha256).where(File.sha256.in_(set(contents.hashes.values()))).distinct()
        known = set(session.scalars(query))
    for path, sha256 in contents.hashes.items():
        if sha256 not in known or catalog.blobs.check(sha256):
            catalog.blobs.put(contents.files[path])


def _same(session: Session, entry: Entry, contents: Contents) -> Version | None:
    """The newest version of the entry that has exactly these files."""
    query = select(Version).where(Version.entry_id == entry.id, Version.files_sha256 == contents.sha256)
    return session.scalar(query.order_by(Version.number.desc()).limit(1))


def _insert(session: Session, entry: Entry, contents: Contents) -> Version:
    entry.numbered += 1
    entry.latest = entry.numbered
    recipe = contents.record.get("recipe") or {}
    version = Version(
        entry_id=entry.id,
        number=entry.numbered,
        created=now(),
        base_name=contents.base_name,
        base_sha256=contents.base_sha256,
        recipe_hash=str(recipe.get("hash") or ""),
        files_sha256=contents.sha256,
        tensors_sha256=contents.tensors_sha256,
        size=contents.size,
        metrics=contents.metrics,
        references=[str(hash_) for hash_ in contents.record.get("references") or []],
    )
    session.add(version)
    session.flush()
    session.merge(Weights(tensors_sha256=contents.tensors_sha256, entry_id=entry.id))
    session.add_all(
        File(version_id=version.id, path=path, sha256=sha256, size=len(contents.files[path]))
        for path, sha256 in contents.hashes.items()
    )
    session.add_all(
        Metric(version_id=version.id, name=name, value=value)
        for name, value in numbers(contents.metrics).items()
    )
    for block in contents.features:
        count, dim = block.rows.shape
        session.add(
            Features(
                version_id=version.id,
                kind=block.kind,
                extractor_sha256=block.extractor_sha256,
                count=count,
                dim=dim,
                data=block.rows.tobytes(),
            )
        )
    features_changed(session)
    return version


def _state_facts(catalog: Catalog, session: Session, entry: Entry, contents: Contents, facts: Facts) -> None:
    """Words and consent: what is given now counts, then what is known, then what the adapter states.

    What changes for an entry that was there before is written into the log.
    """
    stated, changed = contents.record, {}
    for field in ("artist", "licence", "notes"):
        given, known = getattr(facts, field), getattr(entry, field)
        value = (known or str(stated.get(field) or "")) if given is None else given
        if known and value != known:
            changed[field] = [known, value]
        setattr(entry, field, value)
    if changed:
        catalog.record(session, "edit", entry.name, changed)
    before = entry.consent
    consent = _consent(entry, Consent.from_dict(stated.get("consent") or {}), facts)
    if consent != UNKNOWN or facts.consent is not None:
        entry.consent = consent.to_dict()
    if before and before != entry.consent:
        catalog.record(session, "consent", entry.name, {"before": before, "after": entry.consent})


def _consent(entry: Entry, stated: Consent, facts: Facts) -> Consent:
    known = Consent.from_dict(entry.consent)
    if facts.consent is not None and known.refusal():
        raise IntegrityError(
            f"{known.refusal()}, so adding {entry.name} cannot give it",
            f"if the artist agrees again: fewshot catalog consent {entry.name} {facts.consent.status}",
        )
    if facts.stated is not None:
        stated = stricter(facts.stated, stated) if stated.status == "withdrawn" else facts.stated
    consent = facts.consent or (known if entry.consent else stated)
    # A folder that says `withdrawn` withdraws, whoever adds it; what has expired may have been renewed here.
    return stricter(consent, stated) if stated.status == "withdrawn" else consent

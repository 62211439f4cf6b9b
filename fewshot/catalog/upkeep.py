"""`verify` and `gc`: whether everything is there, and what is there for nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from fewshot.catalog.blobs import OWNER
from fewshot.catalog.models import Alias, Entry, Features, File, Version
from fewshot.catalog.store import Catalog
from fewshot.errors import ConflictError

GRACE = 3600.0
"""Seconds for which a file that nothing refers to is left alone: someone may be about to add it."""
_THREADS = 8
_PART = 500
_HELD = 3.0
"""Seconds for which other writers wait at most; in a bucket each file takes a tenth."""


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be."""

    style: str
    """Such as `ink@3`; empty where it concerns the catalogue as a whole."""
    file: str
    """The file of the version, and where it is stored; empty where it is about a row."""
    what: str
    """What is wrong, in words."""


@dataclass(frozen=True)
class Verified:
    """What `verify` looked at."""

    versions: int
    files: int
    """Different contents."""
    stray: int
    """Files that nothing refers to: no problem, `gc` removes them."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Collected:
    """What `gc` did."""

    removed: int
    young: int
    """Stray files that are too young to be removed."""


def verify(catalog: Catalog, on_done: Callable[[int, int], object] = lambda done, total: None) -> Verified:
    """Read every stored file and compare it with its hash, and every row with those it belongs to.

    Args:
        on_done: called with the number of files that were read, and that of all.
    """
    with catalog.read() as session:
        used = _used(session)
        versions = session.scalar(select(func.count()).select_from(Version)) or 0
        problems = list(_wrong_rows(session, postgres=catalog.database.postgres))
    if said := catalog.wrong_root():
        # Each file would be missing, and each of another's stray: one line says it.
        return Verified(versions, len(used), 0, (*problems, Problem("", catalog.blobs.root, said)))
    stray = sum(found.sha256 not in used for found in catalog.blobs.all())
    wrong: dict[str, str] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for done, (sha256, said) in enumerate(zip(used, pool.map(catalog.blobs.check, used), strict=True), 1):
            wrong |= {sha256: said} if said else {}
            on_done(done, len(used))
    if wrong:
        # What was removed while it was looked for is not missing.
        with catalog.read() as session:
            used = _used(session)
    for sha256, said in wrong.items():
        where = catalog.blobs.where(sha256)
        problems += [Problem(style, f"{path} ({where})", said) for style, path in used.get(sha256, ())]
    return Verified(versions, len(used), stray, tuple(problems))


def gc(catalog: Catalog, *, grace: float = GRACE, restored: bool = False) -> Collected:
    """Remove stored files that nothing refers to and that are older than `grace` seconds.

    Only files that a catalogue wrote are looked at, and only under a root that belongs to this one.

    Args:
        restored: this database was put back from a backup on purpose: what was added after that is stray.

    Raises:
        ConflictError: the files under the root are another catalogue's, or those of a newer state of this
            one, which an old copy of the database knows nothing of.
    """
    catalog.check_root()
    if not catalog.blobs.note(OWNER):
        return Collected(0, 0)
    if catalog.is_behind() and not restored:
        raise ConflictError(
            f"{catalog.database.where} is older than its files under {catalog.blobs.root}: what was added "
            "since would be removed as belonging to nothing",
            "name the newest database: --db or FEWSHOT_CATALOG_DB; if this one was put back from a backup "
            "and the rest may go: fewshot catalog gc --restored",
        )
    with catalog.read() as session:
        used = _used(session)
    stray = [found for found in catalog.blobs.all() if found.sha256 not in used]
    old = [found for found in stray if found.age >= grace]
    removed = 0
    while old:
        # Nothing is added meanwhile, so what has no row now will have none when it is gone; nor does anybody
        # else write, so it is a few seconds at most.
        until = time.monotonic() + _HELD
        with catalog.write() as session:
            catalog.hold_files(session, alone=True)
            hashes = [found.sha256 for found in old[-_PART:] if found.sha256]
            again = set(session.scalars(select(File.sha256).where(File.sha256.in_(hashes))))
            for _ in range(min(_PART, len(old))):
                found = old.pop()
                # Someone may have put it anew, for a version that is about to be added.
                age = catalog.blobs.age(found.path)
                if found.sha256 not in again and age is not None and age >= grace:
                    catalog.blobs.remove(found.path)
                    removed += 1
                if time.monotonic() > until:
                    break
    if restored:
        catalog.note_state(whatever=True)
    if removed:
        with catalog.write() as session:
            catalog.record(session, "gc", "", {"removed": removed})
    return Collected(removed, sum(found.age < grace for found in stray))


def _used(session: Session) -> dict[str, list[tuple[str, str]]]:
    """Every content, and the versions and files that it is."""
    query = (
        select(File.sha256, Entry.name, Version.number, File.path)
        .join(Version, Version.id == File.version_id)
        .join(Entry, Entry.id == Version.entry_id)
        .order_by(Entry.name, Version.number, File.path)
    )
    used: dict[str, list[tuple[str, str]]] = {}
    for sha256, name, number, path in session.execute(query):
        used.setdefault(sha256, []).append((f"{name}@{number}", path))
    return used


def _wrong_rows(session: Session, *, postgres: bool) -> Iterator[Problem]:
    """What constraints cannot say. Damage of SQLite's file itself is found by SQLite."""
    if not postgres:
        for (said,) in session.execute(text("PRAGMA integrity_check")):
            if said != "ok":
                yield Problem("", "the database", str(said))
        for row in session.execute(text("PRAGMA foreign_key_check")):
            yield Problem(
                "", "the database", f"a row of {row[0]} refers to one of {row[2]} that is not there"
            )
    newest = select(func.max(Version.number)).where(Version.entry_id == Entry.id).scalar_subquery()
    for name, latest, numbered, highest in session.execute(
        select(Entry.name, Entry.latest, Entry.numbered, newest)
    ):
        if latest != highest or (highest or 0) > numbered:
            yield Problem(name, "", f"its latest version is {highest}, the entry says {latest} of {numbered}")
    files = select(func.count()).where(File.version_id == Version.id).scalar_subquery()
    bare = select(Entry.name, Version.number).join(Version, Version.entry_id == Entry.id).where(files == 0)
    for name, number in session.execute(bare):
        yield Problem(f"{name}@{number}", "", "has no files")
    lost = select(Alias.name).outerjoin(Version, Version.id == Alias.version_id).where(Version.id.is_(None))
    for (alias,) in session.execute(lost):
        yield Problem("", "", f"the alias {alias} points to no version")
    short = func.length(Features.data) != 2 * Features.count * Features.dim
    for version_id, kind in session.execute(select(Features.version_id, Features.kind).where(short)):
        yield Problem("", "", f"the {kind} features of version row {version_id} are cut short")

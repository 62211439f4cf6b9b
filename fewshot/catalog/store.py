"""`Catalog`: one database and one root of files, which every verb of `fewshot catalog` takes."""

from __future__ import annotations

import contextlib
import datetime
import getpass
import os
import unicodedata
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from fewshot.catalog.blobs import OWNER, STATE, Blobs
from fewshot.catalog.database import Database
from fewshot.catalog.models import Entry, Event, File, Generation, Tag
from fewshot.catalog.place import database_url, files_root
from fewshot.errors import ConflictError
from fewshot.home import check_text

_FILES_LOCK = 0x66657774
"""PostgreSQL advisory lock: shared by those that add files, alone for the one that removes stray ones."""


class Catalog:
    """A studio's styles.

    Any number of processes and machines may work on one catalogue at the same time. Every change is one
    transaction: after a kill it has happened or it has not, and what remains are at most files that nothing
    refers to, which `gc` removes.

    Args:
        db: a path, `sqlite:///PATH` or `postgresql://USER@HOST/NAME`; `FEWSHOT_CATALOG_DB`, or else
            `FEWSHOT_HOME/catalog.db`, when left out.
        root: where the files lie: a folder, `file://…`, `s3://…`; `FEWSHOT_CATALOG_ROOT`, or else
            `FEWSHOT_HOME/adapters`, when left out. Nothing else knows the place, so that files may be moved.
        who: whose name goes into the log; the system's user when left out.

    Raises:
        UsageError, NotFoundError, IntegrityError: the database or the root cannot be used.
    """

    def __init__(self, db: str | None = None, root: str | None = None, who: str | None = None) -> None:
        self.database = Database(db or database_url())
        self.blobs = Blobs(root or files_root())
        self.who = check_text(who or _user(), "user's name")
        self._root_is_ours = False

    def close(self) -> None:
        """Give the database's connections back."""
        self.database.close()

    def read(self) -> contextlib.AbstractContextManager[Session]:
        """See `Database.read`."""
        return self.database.read()

    def write(self) -> contextlib.AbstractContextManager[Session]:
        """See `Database.write`."""
        return self.database.write()

    def identity(self) -> str:
        """The random name that this catalogue was given when it was made."""
        with self.read() as session:
            return session.scalars(select(Generation.catalogue)).one()

    def claim_root(self) -> None:
        """Make sure that the files' root is this catalogue's: `gc` of another would take them for stray, and
        files in two places would be nowhere together.

        Raises:
            ConflictError: it belongs to another catalogue, or this one has its files elsewhere.
        """
        if self._root_is_ours:
            return
        self.check_root()
        if not self.blobs.note(OWNER):
            self.blobs.write_note(OWNER, self.identity())
        self._root_is_ours = True

    def check_root(self) -> None:
        """Raise ConflictError where the files' root is not this catalogue's."""
        if wrong := self.wrong_root():
            raise ConflictError(
                wrong, "name their place with --root or FEWSHOT_CATALOG_ROOT, or the right database with --db"
            )

    def wrong_root(self) -> str:
        """Why the files' root is not this catalogue's, in words; empty if it is, or before the first file."""
        owner, own = self.blobs.note(OWNER), self.identity()
        if owner and owner != own:
            said = f"{self.blobs.note_path(OWNER)} says that the files there are those of another catalogue"
            return f"{said} ({owner[:8]}…, and this one is {own[:8]}…)"
        if owner:
            return ""
        with self.read() as session:
            some = session.scalars(select(File.sha256).order_by(File.sha256).limit(1)).first()
        if some and not self.blobs.has(some):
            return f"{self.blobs.root} holds none of this catalogue's files"
        return ""

    def note_state(self, *, whatever: bool = False) -> None:
        """Write beside the files how far the database is, for `gc` of an older copy of it (`is_behind`).

        Args:
            whatever: also where another state of it was further.
        """
        number = self._generation()
        if whatever or number > self._noted():
            self.blobs.write_note(STATE, str(number))

    def is_behind(self) -> bool:
        """Whether the files know of more than this database does: it is an old copy, or was restored."""
        return self._generation() < self._noted()

    def _noted(self) -> int:
        found = self.blobs.note(STATE)
        return int(found) if found.isdecimal() else 0

    def _generation(self) -> int:
        with self.read() as session:
            return session.scalars(select(Generation.number)).one()

    def hold_files(self, session: Session, *, alone: bool = False) -> None:
        """Until the session ends, no stray file is removed; `alone`: no version is added either.

        SQLite has one writer, so there the transaction itself is that lock, which has to begin now.
        """
        session.connection()
        if self.database.postgres:
            shared = "" if alone else "_shared"
            session.execute(text(f"SELECT pg_advisory_xact_lock{shared}(:key)"), {"key": _FILES_LOCK})

    def record(
        self, session: Session, verb: str, entry: str, detail: Mapping[str, Any], version: int | None = None
    ) -> None:
        """Add a line to the log, which is written together with the change that it tells of."""
        told = dict(detail)
        session.add(Event(time=now(), who=self.who, verb=verb, entry=entry, version=version, detail=told))

    def entry_to_change(self, session: Session, name: str) -> Entry:
        """The entry of that name, made if there is none, and locked until the session ends."""
        insert = postgresql.insert if self.database.postgres else sqlite.insert
        values = {"name": name, "created": now(), "consent": {}}
        fresh = {"artist": "", "licence": "", "notes": "", "numbered": 0, "words": ""}
        session.execute(insert(Entry).values(**values, **fresh).on_conflict_do_nothing())
        return session.scalars(select(Entry).where(Entry.name == name).with_for_update()).one()


def now() -> str:
    """The time as the database stores it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def features_changed(session: Session) -> None:
    """Say that an index of features is behind."""
    session.execute(update(Generation).values(number=Generation.number + 1))


def fold(text: str) -> str:
    """Text as words are searched: whatever the case, the width or the way accents are written."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def remember_words(session: Session, entry: Entry) -> None:
    """Renew what a search for words looks at."""
    tags = session.scalars(select(Tag.tag).where(Tag.entry_id == entry.id).order_by(Tag.tag))
    parts = [entry.name, entry.artist, entry.licence, entry.notes, *tags]
    entry.words = fold("\n".join(part for part in parts if part))


def _user() -> str:
    try:
        return os.environ.get("FEWSHOT_USER") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"

"""Where a study is kept: a journal file on this machine, or a PostgreSQL server for several.

Either gives three things: Optuna's storage, locks that end with the process that holds them (so nothing is
left behind by `kill -9`, and nothing has to be timed), and a place for what is too large for a journal.
"""

from __future__ import annotations

import base64
import contextlib
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.exc import SQLAlchemyError

from fewshot.database_url import shown_url
from fewshot.errors import ConflictError, IntegrityError, NotFoundError, UsageError
from fewshot.files import atomic_write_bytes, clear_write_errors

if TYPE_CHECKING:
    import psycopg

STUDY, WINNER = -1, -2
"""Locks that belong to no trial: deciding what is next, and training the winner."""
_RETRY = 0.05
_WAIT = 10
"""Seconds that a database may take to answer."""


class Store(Protocol):
    """What a study needs of the place where it is kept."""

    storage: BaseStorage
    """Optuna's."""
    where: str
    """The place in words, without a password."""

    def claim(self, number: int) -> bool:
        """Take a lock without waiting; whether it was free. Held until `release` or the process ends."""

    def release(self, number: int) -> None:
        """Give a lock back."""

    def keep(self, trial: int, key: str, data: bytes) -> None:
        """Store bytes of a trial, in place of older ones under that key."""

    def fetch(self, trial: int, key: str) -> bytes | None:
        """The bytes, or None."""

    def close(self) -> None:
        """Let go of everything."""


@contextlib.contextmanager
def locked(store: Store, number: int) -> Iterator[None]:
    """Wait for a lock and hold it inside the block."""
    while not store.claim(number):
        time.sleep(_RETRY)
    try:
        yield
    finally:
        store.release(number)


class JournalStore:
    """A folder with Optuna's journal, lock files, and one file for every `keep`.

    Raises:
        BadInputError: the folder cannot be written to.
        IntegrityError: the journal cannot be read.
    """

    def __init__(self, folder: Path, study: str) -> None:
        self.where = str(folder / "journal.log")
        self._folder = folder
        self._held: dict[int, FileLock] = {}
        with clear_write_errors(folder):
            (folder / "locks").mkdir(parents=True, exist_ok=True)
        try:
            with locked(self, STUDY):
                # With the journal's own lock, a half line is not one that somebody is writing.
                with FileLock(folder / "locks" / "journal"):
                    _cut_half_line(Path(self.where))
                backend = JournalFileBackend(self.where, _JournalLock(folder / "locks" / "journal"))
                self.storage: BaseStorage = JournalStorage(backend)
        except (ValueError, KeyError, AssertionError) as error:
            raise IntegrityError(
                f"{self.where} cannot be read: {error}",
                f"move {folder} away to start the study {study!r} anew",
            ) from None

    def claim(self, number: int) -> bool:
        lock = FileLock(self._folder / "locks" / f"{number}", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return False
        self._held[number] = lock
        return True

    def release(self, number: int) -> None:
        self._held.pop(number).release()

    def keep(self, trial: int, key: str, data: bytes) -> None:
        atomic_write_bytes(self._path(trial, key), data)

    def fetch(self, trial: int, key: str) -> bytes | None:
        path = self._path(trial, key)
        return path.read_bytes() if path.exists() else None

    def close(self) -> None:
        for number in list(self._held):
            self.release(number)

    def _path(self, trial: int, key: str) -> Path:
        return self._folder / "evidence" / f"{trial:04d}-{key}.npz"


class _JournalLock(JournalFileOpenLock):
    """Guards single writes. Optuna's own locks are files, which a killed process leaves behind for 30 s."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._lock = FileLock(path)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


def _cut_half_line(journal: Path) -> None:
    """Drop a line that a killed process wrote in part: the next one would be appended to it."""
    if not journal.exists():
        return
    with journal.open("rb+") as file:
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            file.truncate(whole)


class PostgresStore:
    """A study in a PostgreSQL database, for any number of machines; locks are its advisory locks.

    Raises:
        UsageError: not a PostgreSQL URL, or the driver is not installed.
        NotFoundError: no server answers there, or it refuses.
    """

    def __init__(self, url: str, study: str) -> None:
        if not re.match(r"postgres(ql)?(\+psycopg)?://", url):
            raise UsageError(
                f"--db {shown_url(url)}: expected a PostgreSQL URL",
                "write it as --db postgresql://user:password@host/database; without --db a file is used",
            )
        try:
            import psycopg
        except ImportError:
            hint = "install it: pip install 'fewshot-style[postgres]'"
            raise UsageError("--db needs the package psycopg, which is not installed", hint) from None
        plain = "postgresql" + url[url.index("://") :]
        self.where = shown_url(plain)
        self._study = study
        self._key = zlib.crc32(study.encode()) - 2**31
        try:
            self._connection: psycopg.Connection = psycopg.connect(
                plain, autocommit=True, connect_timeout=_WAIT
            )
            with locked(self, STUDY):
                # Two processes that make the tables at the same time fail.
                self._storage = RDBStorage(
                    plain.replace("postgresql", "postgresql+psycopg", 1),
                    engine_kwargs={"pool_pre_ping": True, "connect_args": {"connect_timeout": _WAIT}},
                )
        except (psycopg.Error, SQLAlchemyError) as error:
            reason = str(error).strip().split("\n")[0]
            raise NotFoundError(
                f"no database at {self.where}: {reason}", "check host, port, user and name in --db"
            ) from None
        self.storage: BaseStorage = self._storage

    def claim(self, number: int) -> bool:
        return bool(self._ask("select pg_try_advisory_lock(%s, %s)", number))

    def release(self, number: int) -> None:
        self._ask("select pg_advisory_unlock(%s, %s)", number)

    def keep(self, trial: int, key: str, data: bytes) -> None:
        text = base64.b85encode(data).decode()
        self.storage.set_trial_user_attr(self._id(trial), f"evidence {key}", text)

    def fetch(self, trial: int, key: str) -> bytes | None:
        text = self.storage.get_trial_user_attrs(self._id(trial)).get(f"evidence {key}")
        return base64.b85decode(text) if text else None

    def close(self) -> None:
        self._connection.close()
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _ask(self, query: str, number: int) -> object:
        import psycopg

        try:
            row = self._connection.execute(query, (self._key, number)).fetchone()
        except psycopg.Error as error:
            # With the connection the locks are gone, so another process may be at the same trial.
            raise ConflictError(
                f"the connection to {self.where} is lost: {str(error).strip()}",
                "nothing that was scored is lost; repeat the command to go on",
            ) from None
        return row[0] if row else None

    def _id(self, trial: int) -> int:
        study = self.storage.get_study_id_from_name(self._study)
        return self.storage.get_trial_id_from_study_id_trial_number(study, trial)


def open_store(folder: Path, study: str, db: str | None) -> Store:
    """The database where there is a URL, else the journal in `folder`; raises as the two classes."""
    return PostgresStore(db, study) if db else JournalStore(folder, study)

"""The catalogue's database: SQLite in a file, or PostgreSQL by URL; the same tables, kept up by Alembic."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from fewshot.database_url import shown_url
from fewshot.errors import BadInputError, IntegrityError, UnavailableError, UnreachableError, UsageError
from fewshot.files import clear_write_errors

REVISIONS = ("0001",)
"""The migrations in their order; a test compares them with the folder."""
HEAD = REVISIONS[-1]
_WAIT = 60
"""Seconds that a writer waits for another one."""
_IDLE = 600
"""Seconds that a transaction may wait for files that are being stored: 2 MB take a minute on a bad line."""
_MIGRATION_LOCK = 0x66657773
"""PostgreSQL advisory lock, held by the one that migrates."""


class Database:
    """Sessions on an up-to-date catalogue database.

    Args:
        url: `sqlite:///PATH`, a path, or `postgresql://USER@HOST/NAME`.

    Raises:
        UsageError: a URL that is none, or of another kind of database.
        NotFoundError: the server does not answer.
        IntegrityError: no SQLite file, a damaged one, or one of a newer fewshot.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.where = shown_url(url)
        self.postgres = self.engine.dialect.name == "postgresql"
        with self._clear_errors():
            self._migrate()

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database throughout."""
        # SQLite has one snapshot per transaction, and no such level by that name.
        options = {"isolation_level": "REPEATABLE READ"} if self.postgres else {}
        reader = self.engine.execution_options(**options)
        with self._clear_errors(), Session(reader, expire_on_commit=False) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes appear all at once at the end, or not at all after an error.

        SQLite's one writer lock is taken at the start, so that what was read is still so when it is written;
        on PostgreSQL rows that matter are locked by `with_for_update`.
        """
        writer = self.engine.execution_options(catalogue_writes=True)
        with self._clear_errors(), Session(writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def _migrate(self) -> None:
        if _revision(self.engine) == HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        writer = self.engine.execution_options(catalogue_writes=True)
        with writer.begin() as connection:
            if self.postgres:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            found = _revision(connection)
            if found == HEAD:
                return
            if found is not None and found not in REVISIONS:
                raise IntegrityError(
                    f"{self.where}: its tables are of the state {found!r}, expected at most {HEAD}: a "
                    "catalogue of a newer fewshot, or of something else",
                    "update fewshot (pip install -U fewshot-style), or name another database",
                )
            others = [] if found else inspect(connection).get_table_names()
            if others:
                raise IntegrityError(
                    f"{self.where}: no catalogue, it has tables of something else ({', '.join(others[:4])})",
                    "name another database: --db or FEWSHOT_CATALOG_DB",
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextlib.contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise self._unreachable(error) from None
        except DBAPIError as error:
            if "malformed" in str(error) or "not a database" in str(error):
                raise IntegrityError(
                    f"{self.where}: damaged, or no catalogue ({error.orig})",
                    "put a backup of the file in its place, or name another one: --db or FEWSHOT_CATALOG_DB",
                ) from None
            raise

    def _unreachable(self, error: OperationalError) -> Exception:
        said = str(error.orig).strip().splitlines()[0]
        if "locked" in said or "busy" in said or "lock timeout" in said:
            return UnavailableError(
                f"{self.where}: another process has been writing for {_WAIT} s", "try again in a moment"
            )
        if "readonly" in said or "full" in said:
            return UnavailableError(
                f"cannot write {self.where}: {said}",
                "free some space, change its permissions, or name another place: --db or FEWSHOT_CATALOG_DB",
            )
        return UnreachableError(
            f"{self.where}: cannot be opened ({said})",
            "check the path, or that the server runs, and --db or FEWSHOT_CATALOG_DB",
        )


def _engine(url: str) -> Engine:
    if "://" not in url:
        return _sqlite(Path(url).expanduser().absolute())
    try:
        parsed = make_url(url)
        kind = parsed.get_backend_name()
        if kind == "sqlite" and parsed.database:
            return _sqlite(Path(parsed.database).absolute())
        if kind == "postgresql":
            return _postgresql(parsed)
    except (ArgumentError, NoSuchModuleError, ValueError):
        pass
    except ModuleNotFoundError:
        raise UsageError(
            "PostgreSQL needs the package psycopg", 'install it: pip install "fewshot-style[postgres]"'
        ) from None
    raise UsageError(
        f"{shown_url(url)!r} is no database for a catalogue",
        "write --db or FEWSHOT_CATALOG_DB as a path, sqlite:///PATH or postgresql://USER@HOST/NAME",
    )


def _postgresql(url: URL) -> Engine:
    # A server that is gone is noticed in half a minute, and not after the system's quarter of an hour.
    alive = {"connect_timeout": 10, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
    settings = alive | {"tcp_user_timeout": 30_000}
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={name: value for name, value in settings.items() if name not in url.query},
    )

    @event.listens_for(engine, "connect")
    def _limits(connection: Any, record: Any) -> None:
        # Nobody waits for a writer that hangs, such as a laptop that was closed; what it holds is freed.
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{_WAIT}s'")
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE}s'")
        connection.commit()

    return engine


def _sqlite(path: Path) -> Engine:
    try:
        with clear_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:
        raise BadInputError(
            f"cannot write {path}: no folder can be made there",
            "name another database: --db or FEWSHOT_CATALOG_DB",
        ) from None
    # A connection to a file that may only be read may not see what is written meanwhile: each reading has one
    # of its own.
    pool = None if all(os.access(p, os.W_OK) for p in (path, path.parent) if p.exists()) else NullPool
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, creator=lambda: _connect(path), poolclass=pool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("catalogue_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _connect(path: Path) -> sqlite3.Connection:
    connection = _opened(path)
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _opened(path: Path) -> sqlite3.Connection:
    """A connection whose readers work beside a writer. A file that may not be written is read as it lies."""
    end = time.monotonic() + _WAIT
    # Transactions are begun by `_begin` and nowhere else: Python's own would begin too late to be safe.
    how: dict[str, Any] = {"timeout": _WAIT, "isolation_level": None, "check_same_thread": False}
    while True:
        connection = sqlite3.connect(path, **how)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return connection
        except sqlite3.OperationalError as error:
            connection.close()
            if "readonly" in str(error) or "read-only" in str(error):
                return _read_only(path, how)
            # To change the mode takes a lock that SQLite does not wait for.
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.02)


def _read_only(path: Path, how: Mapping[str, Any]) -> sqlite3.Connection:
    """What writers have written so far, where SQLite may look at their log; else the file as it lies."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, **how)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection
    except sqlite3.OperationalError:
        connection.close()
        return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, **how)


def _revision(bind: Any) -> str | None:
    """The migration that the database is at; None for an empty one."""
    if not inspect(bind).has_table("alembic_version"):
        return None
    query = text("SELECT version_num FROM alembic_version")
    if isinstance(bind, Engine):
        with bind.connect() as connection:
            return connection.execute(query).scalar()
    return bind.execute(query).scalar()

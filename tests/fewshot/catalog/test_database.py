"""Migrations and what a database may be that is none."""

import os
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import fewshot.catalog
from fewshot.catalog.database import REVISIONS, Database
from fewshot.catalog.models import Base
from fewshot.errors import (
    BadInputError,
    FewshotError,
    IntegrityError,
    NotFoundError,
    UnavailableError,
    UsageError,
)


def test_the_migrations_make_exactly_the_models(db: str) -> None:
    database = Database(db)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    migrations = Path(fewshot.catalog.__file__).parent / "migrations"
    known = [script.revision for script in ScriptDirectory(str(migrations)).walk_revisions()]
    assert known == list(reversed(REVISIONS))
    Database(db).close()
    database.close()


def test_a_catalogue_of_a_newer_version_is_left_alone(db: str) -> None:
    database = Database(db)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(IntegrityError, match="9999"):
        Database(db)
    database.close()


def test_a_writer_that_hangs_is_not_waited_for_without_end(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a laptop that was closed in the middle of a change."""
    monkeypatch.setattr("fewshot.catalog.database._WAIT", 1)
    hanging, other = Database(db), Database(db)
    with hanging.write() as session:
        session.execute(text("UPDATE generation SET number = number + 1"))
        began = time.monotonic()
        with (
            pytest.raises(UnavailableError, match="another process has been writing"),
            other.write() as second,
        ):
            second.execute(text("UPDATE generation SET number = number + 1"))
        assert time.monotonic() - began < 20
    if other.postgres:
        with other.read() as session:
            assert session.scalar(text("SHOW idle_in_transaction_session_timeout")) == "10min"
    for database in (hanging, other):
        database.close()


def test_what_is_no_database_is_said_so(tmp_path: Path) -> None:
    other = tmp_path / "notes.db"
    other.write_text("no database, but long enough to be taken for one " * 100)
    with pytest.raises(FewshotError) as caught:
        Database(str(other))
    assert str(other) in str(caught.value)
    assert caught.value.hint
    for url in ("mysql://localhost/x", "oddity://", "sqlite3://x y"):
        with pytest.raises(UsageError):
            Database(url)
    with pytest.raises(NotFoundError, match="cannot be opened") as missing:
        Database("postgresql://someone:secret@127.0.0.1:1/none")
    assert "secret" not in str(missing.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:se:cr/et@127.0.0.1:1/none",
        "postgresql://ann@127.0.0.1:1/none?password=secret",
        "postgresql://ann:secret@127.0.0.1:port/none",
        "postgresql://ann:secret@[::1/none",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    with pytest.raises(FewshotError) as caught:
        Database(url)
    said = f"{caught.value} {caught.value.hint}"
    assert "secret" not in said
    assert "cr/et" not in said
    assert caught.value.exit_code in (2, 4)


def test_any_path_may_hold_a_catalogue_but_for_what_is_something_else(tmp_path: Path) -> None:
    odd = tmp_path / "what?mode=ro#1" / "catalog.db"
    Database(str(odd)).close()
    assert odd.is_file()
    other = tmp_path / "addresses.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE address (name TEXT)")
    with pytest.raises(IntegrityError, match="something else"):
        Database(str(other))
    with closing(sqlite3.connect(other)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("address",)]
    with pytest.raises(FewshotError, match="no folder can be made"):
        Database("/proc/none/catalog.db")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of Unix")
def test_a_catalogue_that_may_not_be_written_can_be_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "catalog.db"
        database = Database(str(path))
        database.close()
        path.chmod(0o444)
        folder.chmod(0o555)
        # The superuser may write anything: someone else has to try.
        child = os.fork()
        if child == 0:
            if os.getuid() == 0:
                os.setuid(65534)
            code = 9
            with suppress(BaseException):
                code = read_and_fail_to_write(path)
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        folder.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of Unix")
@pytest.mark.skipif(sys.platform != "win32" and os.getuid() != 0, reason="only root may be two users")
def test_who_may_only_read_sees_what_is_written_meanwhile() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        owner = Database(str(folder / "catalog.db"))
        folder.chmod(0o755)
        ready, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            code = 9
            with suppress(BaseException):
                code = see_the_next_generation(folder / "catalog.db", writer)
            os._exit(code)
        assert os.read(ready, 1) == b"0"
        with owner.write() as session:
            session.execute(text("UPDATE generation SET number = 1"))
        owner.close()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def see_the_next_generation(path: Path, told: int) -> int:
    reader = Database(str(path))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with reader.read() as session:
            number = session.execute(text("SELECT number FROM generation")).scalar()
        os.write(told, str(number).encode())
        if number == 1:
            return 0
        time.sleep(0.1)
    return 1


def read_and_fail_to_write(path: Path) -> int:
    database = Database(str(path))
    with database.read() as session:
        if session.execute(text("SELECT number FROM generation")).scalar() != 0:
            return 1
    try:
        with database.write() as session:
            session.execute(text("UPDATE generation SET number = 1"))
    except BadInputError as error:
        return 0 if "readonly" in str(error) and "permissions" in error.hint else 2
    return 3


def test_a_line_of_the_log_cannot_be_replaced(db: str) -> None:
    database = Database(db)
    line = "(id, time, who, verb, entry, detail) VALUES (1, '', 'ann', 'add', 'ink', '{}')"
    with database.write() as session:
        session.execute(text(f"INSERT INTO event {line}"))
    replace = f"REPLACE INTO event {line}" if not database.postgres else "UPDATE event SET who = 'eve'"
    with pytest.raises(DBAPIError, match="append-only"), database.write() as session:
        session.execute(text(replace))
    database.close()


def test_many_may_open_a_new_catalogue_at_once(tmp_path: Path) -> None:
    for number in range(4):
        path = str(tmp_path / f"{number}.db")
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda _: Database(path).close(), range(12)))  # noqa: B023


def test_a_write_that_fails_leaves_nothing(db: str) -> None:
    database = Database(db)

    def fail() -> None:
        with database.write() as session:
            session.execute(text("UPDATE generation SET number = 7"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.read() as session:
        assert session.scalar(text("SELECT number FROM generation")) == 0
    database.close()

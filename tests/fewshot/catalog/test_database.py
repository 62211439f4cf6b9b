"""Migrations and what a database may be that is none."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import fewshot.catalog
from fewshot.catalog.database import HEAD, Database
from fewshot.catalog.models import Base
from fewshot.errors import FewshotError, IntegrityError, NotFoundError, UsageError


def test_the_migrations_make_exactly_the_models(db: str) -> None:
    database = Database(db)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    migrations = Path(fewshot.catalog.__file__).parent / "migrations"
    assert ScriptDirectory(str(migrations)).get_heads() == [HEAD]
    Database(db).close()
    database.close()


def test_a_catalogue_of_a_newer_version_is_left_alone(db: str) -> None:
    database = Database(db)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(IntegrityError, match="9999"):
        Database(db)
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

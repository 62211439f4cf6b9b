"""Catalogues on SQLite and on a real PostgreSQL server, and adapters to put into them."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fewshot.catalog.store import Catalog

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def template(small: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One adapter that the toolkit itself wrote."""
    return small.write_template(tmp_path_factory.mktemp("template") / "template")


@pytest.fixture
def make(small: ModuleType, template: Path, tmp_path: Path) -> Make:
    """Write an adapter folder: `make("ink", 3)` has other weights than `make("ink", 4)`."""

    def write(name: str = "ink", seed: int = 0, **record: Any) -> Path:
        return small.write_variant(template, tmp_path / secrets.token_hex(4) / name, seed, **record)

    return write


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of its own for each test, of either kind."""
    if request.param == "sqlite":
        return str(tmp_path / "catalog.db")
    return new_postgres(request.getfixturevalue("postgres"))


@pytest.fixture
def catalog(db: str, tmp_path: Path) -> Iterator[Catalog]:
    """An empty catalogue."""
    catalog = Catalog(db, str(tmp_path / "files"), who="tester")
    yield catalog
    catalog.close()


def new_postgres(url: str) -> str:
    """A new database on a server, by its URL."""
    import psycopg

    name = f"c{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")

"""The catalogue's tables. Times are ISO 8601 in UTC as text, which both databases sort alike."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

HASH = String(64)
NAME = String(200)
TIME = String(32)


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can speak of them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Entry(Base):
    """A style by its name. It outlives its versions, so that no version number is given twice."""

    __tablename__ = "entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(NAME, unique=True)
    artist: Mapped[str] = mapped_column(Text, default="")
    licence: Mapped[str] = mapped_column(Text, default="")
    notes: Mapped[str] = mapped_column(Text, default="")
    created: Mapped[str] = mapped_column(TIME)
    numbered: Mapped[int] = mapped_column(Integer, default=0)
    """The highest version number ever given."""
    latest: Mapped[int | None] = mapped_column(Integer)
    """The highest number there is; None when every version was removed, and no list shows the entry."""
    consent: Mapped[dict[str, Any]] = mapped_column(JSON)
    """As `fewshot.consent.Consent`; empty as long as nobody said anything."""
    words: Mapped[str] = mapped_column(Text, default="")
    """What a search for words looks at: name, artist, licence, notes and tags, case folded."""


class Version(Base):
    """One state of a style; its files never change."""

    __tablename__ = "version"
    __table_args__ = (
        UniqueConstraint("entry_id", "number"),
        UniqueConstraint("entry_id", "id"),
        # An id is the key of an index of features: never again that of another version.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    number: Mapped[int] = mapped_column(Integer)
    created: Mapped[str] = mapped_column(TIME, index=True)
    base_name: Mapped[str] = mapped_column(Text)
    base_sha256: Mapped[str] = mapped_column(HASH)
    recipe_hash: Mapped[str] = mapped_column(HASH, default="")
    files_sha256: Mapped[str] = mapped_column(HASH)
    """Over the names and hashes of all its files."""
    tensors_sha256: Mapped[str] = mapped_column(HASH, index=True)
    """Over the weights alone: the same under another name is a duplicate."""
    size: Mapped[int] = mapped_column(Integer)
    """Bytes of all its files."""
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON)
    references: Mapped[list[str]] = mapped_column(JSON)
    """sha256 of the drawings it was trained on."""


class Weights(Base):
    """Weights that an entry has or had. Rows outlive their versions, and with them a withdrawal does."""

    __tablename__ = "weights"

    tensors_sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), primary_key=True)


class File(Base):
    """One file of a version, whose content lies under its hash."""

    __tablename__ = "file"

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(NAME, primary_key=True)
    sha256: Mapped[str] = mapped_column(HASH, index=True)
    size: Mapped[int] = mapped_column(Integer)


class Alias(Base):
    """A movable name of one version. A version that has one cannot be removed."""

    __tablename__ = "alias"
    __table_args__ = (
        ForeignKeyConstraint(["entry_id", "version_id"], ["version.entry_id", "version.id"]),
        Index(None, "version_id"),
    )

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    version_id: Mapped[int] = mapped_column(Integer)


class Tag(Base):
    """A word given to an entry."""

    __tablename__ = "tag"

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(NAME, primary_key=True, index=True)


class Metric(Base):
    """One number of a version, by which lists can be sorted; `Version.metrics` has all that is known."""

    __tablename__ = "metric"
    __table_args__ = (Index(None, "name", "value"),)

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    value: Mapped[float] = mapped_column(Float)


class Features(Base):
    """Style features of a version's pictures, for searches by picture."""

    __tablename__ = "features"

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(NAME, primary_key=True)
    """`references` or `results`."""
    extractor_sha256: Mapped[str] = mapped_column(HASH, index=True)
    count: Mapped[int] = mapped_column(Integer)
    dim: Mapped[int] = mapped_column(Integer)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    """Float16, little endian, `(count, dim)`."""


class Event(Base):
    """What was done, by whom and when. Rows are only ever added: the database itself refuses all else."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[str] = mapped_column(TIME)
    who: Mapped[str] = mapped_column(Text)
    verb: Mapped[str] = mapped_column(NAME)
    entry: Mapped[str] = mapped_column(NAME, index=True)
    """Its name, not its row: the log outlives what it tells of."""
    version: Mapped[int | None] = mapped_column(Integer)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class Generation(Base):
    """One row: how often the features changed, which says whether an index is behind."""

    __tablename__ = "generation"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
    catalogue: Mapped[str] = mapped_column(String(32))
    """Random name of this catalogue, so that two never share an index."""

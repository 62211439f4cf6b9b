"""Features that were computed once, kept in a folder: the second call of a measurement computes nothing.

A row of features belongs to an extractor (name, sha256, resize) and to a picture's hash. The hash is of the
decoded pixels as the extractor is given them: a picture saved anew without loss, renamed or put into an
archive is found again, and whatever changes a pixel on the way (another crop, size or decoder) makes another
picture, so that no setting has to be part of the key.

The store is one SQLite file with a checksum per row and a connection per call, in SQLite's own rollback
journal: atomic under kill -9, safe between processes, and without shared memory, so that network folders with
locks do. A row that does not match its checksum counts as absent, a damaged file is left for a new one, and a
folder that cannot be written to costs time but no result.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from eval.features import Extractor, check_finite, compute, stored_pictures

LIMIT_MB = 1000
"""Default size of a cache: about 120,000 rows of InceptionV3's 2,048 numbers."""

_ARITHMETIC = "1"
"""To be raised when an extractor's code changes its numbers while its weights stay."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS features"
    " (id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, row BLOB NOT NULL, checksum INTEGER NOT NULL)"
)
_DROP_OLDEST = (
    "DELETE FROM features WHERE id IN"
    " (SELECT id FROM features ORDER BY id LIMIT (SELECT max(1, count(*) / 10) FROM features))"
)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""SQLite's codes for a file that is broken, no database, or has other tables than ours."""
_WAIT = 30.0
"""Seconds to wait for other processes that write."""
_AT_ONCE = 500
"""Keys per query; SQLite's own limit is 999 in old versions."""


def content_hash(pixels: np.ndarray) -> str:
    """sha256 (hex) of one picture, uint8 `(3, H, W)`: of its shape and its decoded pixels."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


class FeatureCache:
    """Rows of features in a folder, bounded in size: the rows that were written first go first.

    Args:
        folder: where the file lies; made when something is stored.
        limit_mb: size, in 10^6 bytes, that the stored rows are kept under; the file itself may be one batch
            larger.
        warn: called with one line when the cache is damaged or cannot be used, once for each reason.
    """

    def __init__(
        self, folder: Path, limit_mb: float = LIMIT_MB, warn: Callable[[str], None] = warnings.warn
    ) -> None:
        self.folder = folder
        self.limit = int(limit_mb * 1e6)
        self._warn = warn
        self._told: set[str] = set()

    def get(self, extractor: Extractor, pictures: Iterable[str]) -> dict[str, np.ndarray]:
        """Rows `(D,)` float32 of those pictures, by content hash, that are stored and undamaged."""
        keys = {_key(extractor, picture): picture for picture in pictures}
        found: dict[str, np.ndarray] = {}

        def read(database: sqlite3.Connection) -> None:
            order, damaged = list(keys), 0
            for part in (order[i : i + _AT_ONCE] for i in range(0, len(order), _AT_ONCE)):
                marks = ",".join("?" * len(part))
                query = f"SELECT key, row, checksum FROM features WHERE key IN ({marks})"
                for key, row, checksum in database.execute(query, part):
                    if _intact(key, row, checksum, extractor.dim):
                        found[keys[key]] = np.frombuffer(row, "<f4")
                    else:
                        damaged += 1
            if damaged:
                self._tell(f"{self.folder}: {damaged} damaged rows of features are computed again")

        if self._files():
            self._use(read)
        return found

    def put(self, extractor: Extractor, rows: Mapping[str, np.ndarray]) -> None:
        """Store rows `(D,)` by content hash, all or none; those that are not finite are left out."""
        finite = {_key(extractor, p): row.astype("<f4") for p, row in rows.items() if np.isfinite(row).all()}
        packed = [(key, row.tobytes(), _checksum(key, row.tobytes())) for key, row in finite.items()]

        def write(database: sqlite3.Connection) -> None:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT OR REPLACE INTO features (key, row, checksum) VALUES (?, ?, ?)", packed
            )
            while _size(database) > self.limit and database.execute(_DROP_OLDEST).rowcount:
                pass
            database.execute("COMMIT")

        if packed:
            self._use(write)

    def _files(self) -> list[Path]:
        """The stores in the folder; only the last one is used."""
        files = (
            file for file in self.folder.glob("features-*.db") if file.stem[len("features-") :].isdecimal()
        )
        return sorted(files, key=_number)

    def _use(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Open the store and do something with it; where that fails, say so once and go on without."""
        file = (self._files() or [self.folder / "features-1.db"])[-1]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(file, _WAIT, isolation_level=None)) as database:
                database.execute(_TABLE)
                work(database)
        except sqlite3.Error as error:
            # The low byte is the kind of error, the others say more about it.
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _DAMAGED:
                self._leave(file, error)
            else:
                self._tell(f"{self.folder}: features are not kept there: {error}")
        except OSError as error:
            self._tell(f"{self.folder}: features are not kept there: {error}")

    def _leave(self, file: Path, error: Exception) -> None:
        """Go on with a file of another name.

        Another process may have the damaged one open, and would delete a journal of the old name.
        """
        self._tell(f"{file} is damaged ({error}); its features are computed again")
        with contextlib.suppress(OSError):
            file.with_name(f"features-{_number(file) + 1}.db").touch()
            file.unlink(missing_ok=True)
            file.with_name(f"{file.name}-journal").unlink(missing_ok=True)

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._warn(text)


def fill(
    extractor: Extractor,
    images: np.ndarray,
    pictures: Sequence[str],
    cache: FeatureCache,
    *,
    batch: int = 32,
    report: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Features from the cache, and for the rest from the extractor; each batch is stored when it is done.

    Args:
        extractor: from `get_extractor`.
        images: uint8 RGB `(N, 3, H, W)`.
        pictures: `content_hash` of each; of equal pictures one is computed.
        cache: where rows are looked up and kept.
        batch: pictures per step.
        report: called with the number of pictures that are done after each step, and before the first one.

    Returns:
        `(N, D)` float32, not checked: rows that are not finite come back as they are, and are not stored.

    Raises:
        EvalError: not uint8 or not `(N, 3, H, W)`.
    """
    stored = stored_pictures(images)
    known = cache.get(extractor, pictures)
    rows = {picture: row for row, picture in enumerate(pictures) if picture not in known}
    missing = list(rows)
    for start in range(0, len(missing), batch):
        if report and not start:
            report(len(pictures) - len(missing))
        part = missing[start : start + batch]
        fresh = dict(zip(part, compute(extractor, stored[[rows[p] for p in part]]), strict=True))
        cache.put(extractor, fresh)
        known |= fresh
        if report:
            report(len(pictures) - len(missing) + start + len(part))
    return (
        np.stack([known[p] for p in pictures]) if len(pictures) else np.zeros((0, extractor.dim), np.float32)
    )


def extract_cached(
    extractor: Extractor,
    images: np.ndarray,
    cache: FeatureCache,
    *,
    names: Sequence[str] | None = None,
    batch: int = 32,
) -> np.ndarray:
    """`eval.features.extract` that computes nothing twice; see `fill`, whose rows it checks.

    Raises:
        EvalError: as `extract`.
    """
    features = fill(extractor, images, [content_hash(picture) for picture in images], cache, batch=batch)
    check_finite(extractor, features, names)
    return features


def _number(file: Path) -> int:
    return int(file.stem.removeprefix("features-"))


def _size(database: sqlite3.Connection) -> int:
    """Bytes in use; deleted rows leave free pages, which later rows fill."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return int((pages - free) * size)


def _key(extractor: Extractor, picture: str) -> bytes:
    # The name too: two timm models can share a file and differ in the mean they subtract.
    parts = (_ARITHMETIC, extractor.name, extractor.sha256, extractor.resize, picture)
    return hashlib.sha256("\n".join(parts).encode()).digest()


def _checksum(key: bytes, row: bytes) -> int:
    return zlib.crc32(key + row)


def _intact(key: bytes, row: object, checksum: object, dim: int) -> bool:
    return isinstance(row, bytes) and len(row) == 4 * dim and _checksum(key, row) == checksum

"""File contents under their sha256, in a folder or a bucket: `<root>/ab/ab12…`.

A content is there whole or not at all, and is checked whenever it is read. What lies elsewhere than on this
machine's disks is kept in a cache, which is checked too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.catalog.roots import local, remote
from fewshot.errors import BadInputError, IntegrityError, UnavailableError
from fewshot.files import atomic_write_bytes, clear_write_errors
from fewshot.home import cache_folder

_HINT = (
    "if the files were moved, name their place with --root or FEWSHOT_CATALOG_ROOT; else `fewshot catalog "
    "verify` names what is damaged: add the adapter again that it came from, or put it back from a backup"
)
_OURS = re.compile(
    r"(?:^|/)(?P<two>[0-9a-f]{2})/(?:(?P<sha256>(?P=two)[0-9a-f]{62})|\.(?P=two)[0-9a-f]{38,62}\.\w+)$"
)
OWNER, STATE = "catalogue", "state"
"""Notes in the root: which catalogue it belongs to, and `Generation.number` of the newest one that added."""
_TRIES = 5


@dataclass(frozen=True)
class Stored:
    """One file under the root."""

    path: str
    """Where it is, for `Blobs.remove`."""
    sha256: str
    """What its name promises; empty for half a file that a kill left."""
    age: float
    """Seconds since it was written."""


class Blobs:
    """The contents under one root.

    Args:
        root: a folder, `file://…`, or another URL that fsspec knows, such as `s3://bucket/prefix`.

    Raises:
        UsageError: a URL of an unknown kind, or of one whose package is not installed.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.folder: Path | None = local(root)
        """The root, if it is a folder."""
        if self.folder is None:
            self._fs, self._prefix = remote(root)

    def put(self, data: bytes) -> str:
        """Store a content and return its sha256. Writing it again does no harm, and makes it young again.

        Raises:
            BadInputError: the place cannot be written to.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if self.folder is not None:
            self._write(self._file(sha256), data)
        else:
            with self._clear_errors("write"):
                self._fs.pipe_file(self._key(sha256), data)
        return sha256

    def get(self, sha256: str) -> bytes:
        """A content, checked.

        Raises:
            IntegrityError: missing, or not what its hash says.
        """
        if self.folder is not None:
            return _checked(self._stored(sha256), sha256, str(self._file(sha256)))
        cached = cache_folder() / "blobs" / sha256[:2] / sha256
        with contextlib.suppress(FileNotFoundError):
            data = cached.read_bytes()
            if hashlib.sha256(data).hexdigest() == sha256:
                return data
        data = _checked(self._stored(sha256), sha256, self._key(sha256))
        with contextlib.suppress(BadInputError):
            # A full disk is no reason to refuse what was read already.
            atomic_write_bytes(cached, data)
        return data

    def check(self, sha256: str) -> str:
        """What is wrong with a content where it is stored, whatever the cache has; empty if nothing is."""
        data = self._stored(sha256)
        if data is None:
            return "missing"
        found = hashlib.sha256(data).hexdigest()
        return "" if found == sha256 else f"damaged (sha256 {found[:12]}…, expected {sha256[:12]}…)"

    def has(self, sha256: str) -> bool:
        """Whether a content of that name is there; nothing is read."""
        if self.folder is not None:
            return self._file(sha256).is_file()
        with self._clear_errors("read"):
            self._fs.invalidate_cache()
            return bool(self._fs.exists(self._key(sha256)))

    def where(self, sha256: str) -> str:
        """The place of a content, for messages."""
        return str(self._file(sha256)) if self.folder is not None else self._key(sha256)

    def note_path(self, name: str) -> str:
        """Where a note beside the contents lies, for messages."""
        return f"{self.folder or self._prefix}/{name}"

    def note(self, name: str) -> str:
        """What a note says, such as `OWNER`; empty where there is none."""
        path = self.note_path(name)
        try:
            if self.folder is not None:
                return Path(path).read_text(errors="replace").strip()
            with self._clear_errors("read"):
                return self._fs.cat_file(path).decode(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def write_note(self, name: str, text: str) -> None:
        """Write a note; raises BadInputError where the place cannot be written to."""
        path = self.note_path(name)
        if self.folder is not None:
            atomic_write_bytes(Path(path), text.encode())
            return
        with self._clear_errors("write"):
            self._fs.pipe_file(path, text.encode())

    def age(self, path: str) -> float | None:
        """Seconds since a file that `all` named was written; None when it is gone."""
        try:
            if self.folder is not None:
                return time.time() - Path(path).stat().st_mtime
            with self._clear_errors("read"):
                self._fs.invalidate_cache()
                return time.time() - _written(self._fs.info(path))
        except FileNotFoundError:
            return None

    def all(self) -> Iterator[Stored]:
        """Every file under the root that was written by `put`, in no order; others are none of ours."""
        now = time.time()
        if self.folder is not None:
            for folder, _, names in os.walk(self.folder):
                for name in names:
                    path, ours = Path(folder, name), _OURS.search(f"{Path(folder).name}/{name}")
                    with contextlib.suppress(FileNotFoundError):
                        if ours:
                            yield Stored(str(path), _sha256(ours), now - path.stat().st_mtime)
            return
        with self._clear_errors("read"):
            self._fs.invalidate_cache()
            found = self._fs.find(self._prefix, detail=True)
        for path, info in found.items():
            if ours := _OURS.search(path):
                yield Stored(path, _sha256(ours), now - _written(info))

    def remove(self, path: str) -> None:
        """Remove a file that `all` named; one that is gone already is no error."""
        if self.folder is not None:
            with clear_write_errors(Path(path)):
                Path(path).unlink(missing_ok=True)
            return
        with contextlib.suppress(FileNotFoundError), self._clear_errors("read"):
            self._fs.rm_file(path)

    def _write(self, path: Path, data: bytes) -> None:
        for _ in range(_TRIES):
            # `gc` without grace may remove the half-written file of somebody else, which this one is to it.
            with contextlib.suppress(FileNotFoundError):
                return atomic_write_bytes(path, data)
        raise BadInputError(
            f"cannot write {path}: it is removed again and again", "stop other `gc` and try again"
        )

    def _file(self, sha256: str) -> Path:
        assert self.folder is not None
        return self.folder / sha256[:2] / sha256

    def _key(self, sha256: str) -> str:
        return f"{self._prefix}/{sha256[:2]}/{sha256}"

    def _stored(self, sha256: str) -> bytes | None:
        try:
            if self.folder is not None:
                return self._file(sha256).read_bytes()
            with self._clear_errors("read"):
                return self._fs.cat_file(self._key(sha256))
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def _clear_errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if verb == "read":
                raise
            raise UnavailableError(
                f"cannot write {self.root}: there is no such place", "make it first"
            ) from error
        # Each file system of fsspec raises errors of its own, which have no common class but this one.
        except Exception as error:
            said = str(error).splitlines() or [type(error).__name__]
            raise UnavailableError(
                f"cannot {verb} {self.root}: {said[0]}",
                "check the bucket's name, your credentials and the network",
            ) from None


def _checked(data: bytes | None, sha256: str, where: str) -> bytes:
    if data is None:
        raise IntegrityError(f"{where}: missing from the catalogue's files", _HINT)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise IntegrityError(f"{where}: damaged or changed (its sha256 is {found[:12]}…)", _HINT)
    return data


def _sha256(ours: re.Match[str]) -> str:
    return ours["sha256"] or ""


def _written(info: Mapping[str, Any]) -> float:
    """When a remote file was written, in seconds; now where its system does not say."""
    written: Any = info.get("LastModified") or info.get("mtime") or info.get("created") or time.time()
    return float(written.timestamp() if hasattr(written, "timestamp") else written)

"""One file with a checksum that is replaced as a whole: a reader sees the old content or the new.

Layout: payload, JSON, and at the end their lengths, a magic number and the SHA-256 of everything before it.
The payload comes first, so that a library which maps files can be handed the path. A process that has mapped
the old file keeps it: the new one is another inode that takes over the name, and the system frees the old
one with its last reader.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

from eval.errors import EvalError, UnknownNameError

Read = TypeVar("Read")
Put = Callable[[bytes | memoryview], Any]

_MAGIC = b"SEALED01"
_TAIL = struct.Struct("<QQ8s32s")
"""Length of the payload, length of the JSON, magic number, SHA-256."""
_AGAIN = "build it again and save it there"
_ATTEMPTS = 20
_STALE_SECONDS = 3600
"""Age after which a temporary file must be of a process that was killed: no save takes an hour."""


def write_sealed(path: Path, facts: dict[str, Any], write: Callable[[Put], Any]) -> None:
    """Write the file beside its place, flush it to the disk and rename it.

    Killed at any moment, it leaves the old file as it was, and at most a hidden temporary one that a later
    save removes. Of two processes that save at once the later one wins.

    Args:
        path: the file; its folder is made if missing.
        facts: what JSON can hold.
        write: called with a function that takes the payload's bytes, part by part.

    Raises:
        EvalError: the folder cannot be written to, or the disk is full; no file is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path))
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        with os.fdopen(descriptor, "wb") as handle:
            _write(handle, facts, write)
            handle.flush()
            os.fsync(handle.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _write(handle: IO[bytes], facts: dict[str, Any], write: Callable[[Put], Any]) -> None:
    digest, lengths = hashlib.sha256(), []

    def put(part: bytes | memoryview) -> None:
        digest.update(part)
        handle.write(part)

    write(put)
    lengths.append(handle.tell())
    text = json.dumps(facts).encode()
    put(text)
    lengths.append(len(text))
    digest.update(_TAIL.pack(*lengths, _MAGIC, b"")[:-32])
    handle.write(_TAIL.pack(*lengths, _MAGIC, digest.digest()))


def read_sealed(path: Path, read: Callable[[Path, dict[str, Any]], Read]) -> Read:
    """Check the whole file, then let `read` open it by its path.

    Libraries that read a payload do not survive a damaged one, so the checksum comes first: 0.1 s for 100 MB.
    When the file was replaced in between, everything starts again with the new one.

    Args:
        path: the file.
        read: called with the path and the JSON; opens the payload at the start of the file.

    Returns:
        what `read` returned.

    Raises:
        UnknownNameError: there is no such file.
        EvalError: it is damaged, cut off or something else.
    """
    for _ in range(_ATTEMPTS):
        try:
            with path.open("rb") as handle:
                facts = _facts(path, handle)
                result = read(path, facts)
                # The inode in `handle` is not used again while it is open, so equal numbers mean one file.
                if os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                    return result
        except FileNotFoundError:
            raise UnknownNameError(f"{path}: no such file; expected one that was saved", _AGAIN) from None
        except OSError as error:
            raise EvalError(f"{path}: cannot be read: {error.strerror or error}", _AGAIN) from None
    raise EvalError(f"{path}: was replaced {_ATTEMPTS} times while it was read", "try again")


def _facts(path: Path, handle: IO[bytes]) -> dict[str, Any]:
    size = os.fstat(handle.fileno()).st_size
    if size < _TAIL.size:
        raise EvalError(f"{path}: {size} bytes; expected a saved file of more than {_TAIL.size}", _AGAIN)
    handle.seek(size - _TAIL.size)
    payload, text, magic, expected = _TAIL.unpack(handle.read(_TAIL.size))
    if magic != _MAGIC or payload + text + _TAIL.size != size:
        raise EvalError(f"{path}: cut off, or no file of this kind", _AGAIN)
    digest, left = hashlib.sha256(), size - 32
    handle.seek(0)
    while left and (part := handle.read(min(left, 1 << 20))):
        digest.update(part)
        left -= len(part)
    if digest.digest() != expected:
        raise EvalError(f"{path}: damaged: its checksum does not match its content", _AGAIN)
    handle.seek(payload)
    facts: dict[str, Any] = json.loads(handle.read(text))
    return facts


def _prefix(path: Path) -> str:
    return f".{path.name}.part-"


def _sweep(path: Path) -> None:
    """Remove what killed processes left behind."""
    for left in path.parent.glob(f"{glob.escape(_prefix(path))}*"):
        try:
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                left.unlink()
        except OSError:
            continue


def _flush_folder(folder: Path) -> None:
    """Make the new name survive a power cut; systems that cannot open a folder have no need of it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _not_written(path: Path, error: OSError) -> EvalError:
    return EvalError(
        f"{path}: cannot be written: {error.strerror or error}", "choose another place, or free some space"
    )

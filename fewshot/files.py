"""Writing files so that a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from fewshot.errors import BadInputError

_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space and run the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run the same command again"),
    errno.EROFS: ("the file system is read-only", "choose another folder with -o, or set FEWSHOT_HOME"),
    errno.EACCES: ("writing there is not allowed", "choose another folder with -o, or set FEWSHOT_HOME"),
    errno.EPERM: ("writing there is not allowed", "choose another folder with -o, or set FEWSHOT_HOME"),
    errno.EEXIST: ("a file is where a folder should be", "move it away, or choose another folder with -o"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "choose another folder with -o"),
}


@contextlib.contextmanager
def clear_write_errors(path: Path) -> Any:
    """Turn the operating system's reasons for a failed write to `path` into an error with a hint.

    Raises:
        BadInputError: disk full, read-only, not allowed or not a folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REASONS:
            raise
        reason, hint = _REASONS[error.errno]
        raise BadInputError(f"cannot write {path}: {reason}", hint) from None


def atomic_write(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file through a temporary one beside it: written, fsynced, then renamed.

    Args:
        path: the file to write; its folder is made if missing.
        write: called with the open binary file.

    Raises:
        BadInputError: the folder cannot be written to or the disk is full; no file is left behind.
    """
    with clear_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                write(handle)
                handle.flush()
                os.fsync(handle.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """`atomic_write` for bytes that are already there."""
    atomic_write(path, lambda handle: handle.write(data))


def atomic_write_text(path: Path, text: str) -> None:
    """`atomic_write` for text, as UTF-8."""
    atomic_write_bytes(path, text.encode())

"""Writing files and folders so that a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from fewshot.errors import ConflictError, UnavailableError

_PREFIX = 40
"""Letters of a file's name in its temporary one's: 160 bytes at most, of the 255 that file systems allow."""
_ELSEWHERE = "write elsewhere, such as with -o; FEWSHOT_HOME moves styles and studies"
_SPACE = "free some space and run the same command again, or write to another disk; FEWSHOT_HOME moves styles"
SYSTEM_REASONS = {
    errno.ENOSPC: ("the disk is full", _SPACE),
    errno.EDQUOT: ("the disk quota is used up", _SPACE),
    errno.EROFS: ("the file system is read-only", _ELSEWHERE),
    errno.EACCES: ("permission denied", _ELSEWHERE),
    errno.EPERM: ("operation not permitted", _ELSEWHERE),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.EISDIR: ("is a folder", "name a file, or write elsewhere"),
    errno.EEXIST: ("a file is where a folder should be", "move it away, or write elsewhere"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "check the path, or write elsewhere"),
}
"""What the operating system refused, by its error number, and what to do about it."""


@contextlib.contextmanager
def clear_write_errors(path: Path) -> Any:
    """Turn the operating system's reasons for a failed write to `path` into an error with a hint.

    Raises:
        UnavailableError: disk full, read-only, not allowed or not a folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in SYSTEM_REASONS:
            raise
        reason, hint = SYSTEM_REASONS[error.errno]
        raise UnavailableError(f"cannot write {path}: {reason}", hint) from None


def atomic_write(path: Path, write: Callable[[IO[bytes]], Any], mode: int = 0o666) -> None:
    """Write a file through a temporary one beside it: written, fsynced, then renamed.

    Args:
        path: the file to write; its folder is made if missing.
        write: called with the open binary file.
        mode: who may do what with it, less what the umask forbids.

    Raises:
        UnavailableError: the folder cannot be written to or the disk is full; no file is left behind.
    """
    with temporary_beside(path, mode) as temporary, temporary.open("wb") as handle:
        write(handle)
        handle.flush()
        os.fsync(handle.fileno())


@contextlib.contextmanager
def temporary_beside(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """A new file in the same folder, which becomes `path` when the block ends well and else is removed.

    Args:
        path: what it becomes.
        mode: who may do what with it, less what the umask forbids.

    Raises:
        UnavailableError: the folder cannot be written to or the disk is full.
    """
    with clear_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{path.name[:_PREFIX]}.{secrets.token_hex(4)}"
        # Not mkstemp, whose file only its owner may read: to widen that, the umask must be known, and it can
        # be read by setting it alone, for all threads.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        try:
            yield temporary
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """`atomic_write` for bytes that are already there."""
    atomic_write(path, lambda handle: handle.write(data))


def atomic_write_text(path: Path, text: str) -> None:
    """`atomic_write` for text, as UTF-8; what a file name has that is none becomes an escape."""
    atomic_write_bytes(path, text.encode(errors="backslashreplace"))


@contextlib.contextmanager
def new_folder(dest: Path, source: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `dest` when everything is in it; after an error nothing is left.

    Args:
        dest: the folder to appear; its parents are made if missing.
        source: the folder that is copied from, which `dest` may not be or lie in.

    Yields:
        a hidden folder beside `dest`.

    Raises:
        ConflictError: `dest` exists and is not an empty folder, or is the source or inside it.
        UnavailableError: the place is read-only or the disk is full.
    """
    origin, target = source.resolve(), dest.resolve()
    if target == origin or origin in target.parents:
        raise ConflictError(
            f"{dest}: lies in {source}, which is copied; expected another place", "choose a folder beside it"
        )
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise ConflictError(
            f"{dest}: exists already and is not empty; expected a new folder",
            "choose another name, or remove it first",
        )
    temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    made = [parent for parent in target.parents if not parent.exists()]
    try:
        with clear_write_errors(dest):
            temporary.mkdir(parents=True)
            yield temporary
            os.replace(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
        raise

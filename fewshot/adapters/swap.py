"""Put a finished folder in place of another: under its name lies the old one or the new one, never half.

Who reads several files of it looks whether the folder is still the same (`files.read_files`).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fewshot.errors import BadInputError, ConflictError
from fewshot.files import clear_write_errors

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_LEFTOVER_SECONDS = 24 * 3600


@contextlib.contextmanager
def replacing_folder(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; when the block ends well, it becomes `folder`, else it is
    removed.

    Files and folder are flushed to the disk before the rename. An existing folder is exchanged in one step
    where the system can (Linux), else with two renames.

    Raises:
        ConflictError: `folder` exists and `overwrite` is false.
        BadInputError: disk full, read-only, not allowed or not a folder.
    """
    _refuse_existing(folder, overwrite)
    _refuse_file_above(folder)
    with clear_write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        temporary = _beside(folder)
        try:
            yield temporary
            _flush(temporary)
            _refuse_existing(folder, overwrite)
            _put(temporary, folder, overwrite)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _refuse_existing(folder: Path, overwrite: bool) -> None:
    if os.path.lexists(folder) and not overwrite:
        raise ConflictError(f"{folder} exists already", "choose another name, or replace it with --overwrite")


def _refuse_file_above(folder: Path) -> None:
    for parent in folder.parents:
        if parent.exists() and not parent.is_dir():
            raise BadInputError(f"cannot write {folder}: {parent} is a file", "choose another folder")


def _put(new: Path, folder: Path, overwrite: bool) -> None:
    if _first(new, folder):
        pass
    elif not overwrite:
        _refuse_existing(folder, overwrite)
    elif not _exchange(new, folder):
        old = _beside(folder)
        os.rename(folder, old / "old")
        try:
            os.rename(new, folder)
        except BaseException:
            os.rename(old / "old", folder)
            raise
        finally:
            shutil.rmtree(old, ignore_errors=True)
    _flush_entry(folder.parent)


def _first(new: Path, folder: Path) -> bool:
    """Rename where there is nothing; False where there is, or where another writer was faster."""
    if os.path.lexists(folder):
        return False
    try:
        os.rename(new, folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step; False where the system or file system cannot."""
    if not sys.platform.startswith("linux") or second.is_symlink():
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(second))


def _flush(folder: Path) -> None:
    for entry in folder.iterdir():
        _flush_entry(entry)
    _flush_entry(folder)


def _flush_entry(path: Path) -> None:
    # Windows opens no folder, and its renames need no flush.
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(folder: Path) -> Path:
    """A new hidden folder in the same place, which may be read by whom any folder may be."""
    made = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.partial"
    made.mkdir()
    return made


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed writer of this folder left a day ago or earlier."""
    for path in folder.parent.iterdir():
        if path.name.startswith(f".{folder.name}.") and path.name.endswith(".partial"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)

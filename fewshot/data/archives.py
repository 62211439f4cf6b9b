"""Folders and .tar archives of pictures read alike, and the index of a training pack."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import tarfile
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.data.pictures import is_picture_name
from fewshot.errors import BadInputError, NotFoundError

INDEX_NAME = "pack.json"
"""File inside a training pack that says what the pack holds."""

_BROKEN = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)
_LONGEST = 80
"""Bytes of a stem: the plain kind of .tar has room for 100 of a name."""
_MAKE_PACK = "make it with `fewshot base pack`"


def list_names(source: Path) -> Iterator[str]:
    """Names of the pictures in a folder or archive, in no order; raises BadInputError for a broken one."""
    if source.is_dir():
        paths = (path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
        yield from filter(_is_picture, paths)
        return
    try:
        with tarfile.open(source) as archive:
            yield from (m.name for m in archive if m.isfile() and _is_picture(m.name))
            _check_end(archive)
    except _BROKEN as error:
        raise _broken_archive(source, error) from None


def read_members(source: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Name and encoded bytes of some files of a folder or archive, in the source's own order."""
    if source.is_dir():
        for name in names:
            try:
                yield name, (source / name).read_bytes()
            except OSError:
                # As unreadable as a damaged picture.
                yield name, b""
        return
    wanted = set(names)
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                handle = archive.extractfile(member) if member.name in wanted else None
                if handle is not None:
                    yield member.name, handle.read()
    except _BROKEN as error:
        raise _broken_archive(source, error) from None


def read_pack_index(path: Path) -> dict[str, Any]:
    """The `pack.json` of a training pack, which `fewshot base pack` puts first in the archive.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: it is no archive, or there is no readable `pack.json` in it.
    """
    if not path.is_file():
        raise NotFoundError(f"{path} does not exist", _MAKE_PACK)
    try:
        with tarfile.open(path) as archive:
            member = next((m for m in archive if m.name == INDEX_NAME and m.isfile()), None)
            handle = archive.extractfile(member) if member else None
            index = json.loads(handle.read()) if handle else None
    except _BROKEN as error:
        raise _broken_archive(path, error) from None
    except ValueError as error:
        raise BadInputError(f"{path}: {INDEX_NAME} is damaged ({error})", _MAKE_PACK) from None
    if not isinstance(index, dict):
        raise BadInputError(f"{path} is no training pack: there is no {INDEX_NAME} in it", _MAKE_PACK)
    return index


def tar_bytes(files: Mapping[str, bytes]) -> bytes:
    """A .tar without times and owners: equal files, equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def free_name(taken: Container[str], folder: str, stem: str, suffix: str) -> str:
    """`folder/stem` and `suffix`; too long a stem for `tar_bytes` is cut, a taken name gets a number."""
    encoded = stem.encode()
    if len(encoded) > _LONGEST:
        start = encoded[: _LONGEST - 9].decode(errors="ignore")
        stem = f"{start}-{hashlib.sha256(encoded).hexdigest()[:8]}"
    found, number = f"{folder}/{stem}{suffix}", 2
    while found in taken:
        found, number = f"{folder}/{stem}-{number}{suffix}", number + 1
    return found


def _check_end(archive: tarfile.TarFile) -> None:
    """Refuse an archive whose members end at a damaged header: Python takes it for the end."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError("a header in it is damaged")


def _is_picture(name: str) -> bool:
    # Those that cannot be read too: a phone's .heic files are to be named, not to be missed.
    path = Path(name)
    return is_picture_name(path) and not path.name.startswith(".")


def _broken_archive(source: Path, error: Exception) -> BadInputError:
    return BadInputError(
        f"{source} is not an intact .tar archive ({str(error).partition(':')[0]})",
        "give a folder of pictures or an intact .tar",
    )

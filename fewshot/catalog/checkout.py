"""From `name@alias` to an adapter folder that can be used: rights first, then every file by its hash."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from fewshot.adapters.swap import replacing_folder
from fewshot.catalog.allowing import allowed_version
from fewshot.catalog.models import File, Version
from fewshot.catalog.store import Catalog
from fewshot.consent import Consent
from fewshot.errors import IntegrityError, NotFoundError
from fewshot.home import cache_folder


def checkout(catalog: Catalog, text: str) -> tuple[Path, Consent]:
    """A folder with the version's files, and what the artist agreed to.

    The folder is a cache: checked each time, and made again where anything in it is not as it should be.

    Raises:
        NotFoundError: no such style, version or alias.
        IntegrityError: no consent, or a stored file is missing or damaged.
    """
    with catalog.read() as session:
        _, version, consent = allowed_version(session, text)
        hashes = stored_hashes(session, version)
        folder = cache_folder() / "styles" / version.files_sha256
    files = stored_files(catalog, version, hashes)
    if not _is_intact(folder, hashes):
        write_folder(folder, files, overwrite=True)
    return folder, consent


def write_folder(folder: Path, files: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Write a version's files as one folder, which appears whole or not at all."""
    with replacing_folder(folder, overwrite=overwrite) as temporary:
        for path, data in files.items():
            (temporary / path).write_bytes(data)


def stored_hashes(session: Session, version: Version) -> dict[str, str]:
    """Path to sha256 of every file of a version."""
    rows = session.execute(select(File.path, File.sha256).where(File.version_id == version.id))
    return {path: sha256 for path, sha256 in rows}


def stored_files(catalog: Catalog, version: Version, hashes: Mapping[str, str]) -> dict[str, bytes]:
    """Every file of a version, checked.

    Raises:
        NotFoundError: the version was removed meanwhile.
        IntegrityError: a stored file is missing or damaged.
    """
    try:
        return {path: catalog.blobs.get(sha256) for path, sha256 in hashes.items()}
    except IntegrityError:
        with catalog.read() as session:
            if session.get(Version, version.id) is not None:
                raise
        raise NotFoundError(
            f"version {version.number} was removed while it was read", "`fewshot catalog log` tells by whom"
        ) from None


def _is_intact(folder: Path, hashes: Mapping[str, str]) -> bool:
    with contextlib.suppress(OSError):
        if {path.name for path in folder.iterdir()} != set(hashes):
            return False
        return all(
            hashlib.sha256((folder / path).read_bytes()).hexdigest() == sha256
            for path, sha256 in hashes.items()
        )
    return False

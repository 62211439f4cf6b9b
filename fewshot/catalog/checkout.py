"""From `name@alias` to an adapter folder that can be used: rights first, then every file by its hash."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from fewshot.adapters.swap import replacing_folder
from fewshot.catalog.models import Entry, File, Version, Weights
from fewshot.catalog.names import find_version, parse
from fewshot.catalog.store import Catalog
from fewshot.consent import Consent, require, stricter
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


def allowed_version(session: Session, text: str) -> tuple[Entry, Version, Consent]:
    """The version that `text` means and the consent to it; raises IntegrityError where that refuses."""
    entry, version = find_version(session, parse(text))
    consent = consent_for(session, version.tensors_sha256, Consent.from_dict(entry.consent))
    require(f"{entry.name}@{version.number}", consent)
    return entry, version, consent


def write_folder(folder: Path, files: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Write a version's files as one folder, which appears whole or not at all."""
    with replacing_folder(folder, overwrite=overwrite) as temporary:
        for path, data in files.items():
            (temporary / path).write_bytes(data)


def consent_for(session: Session, tensors_sha256: str, own: Consent) -> Consent:
    """The strictest consent of all styles with these weights: another name gives no other rights, and `rm`
    takes no withdrawal away."""
    same = Weights.tensors_sha256 == tensors_sha256
    query = select(Entry.consent).join(Weights, Weights.entry_id == Entry.id).where(same)
    for values in session.scalars(query):
        other = Consent.from_dict(values)
        # Only what refuses is passed on: `unknown` of a copy says nothing about the original.
        if other.refusal():
            own = stricter(own, other)
    return own


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

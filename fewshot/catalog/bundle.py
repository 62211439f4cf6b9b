"""Bundles: one version of a style in one zip, to pass on.

    manifest.json              schema, name, words, consent, base, and sha256 and size of every file
    adapter_model.safetensors  and the other files of the adapter, under their own names
    base/<name>.safetensors    with `--with-base`

A bundle is canonical: sorted, uncompressed, without times, so that the same version makes the same bytes.
What differs from that in one byte is refused, so nothing in a zip's format can hide anything, and nothing is
ever written under a name from a bundle: files go to the catalogue under their hashes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from fewshot.adapters.files import CONFIG, WEIGHTS, verified
from fewshot.catalog.adding import Added, Facts, add_contents
from fewshot.catalog.bundle_base import installed_base, packed_base
from fewshot.catalog.checkout import allowed_version, stored_hashes, write_folder
from fewshot.catalog.contents import MAX_BYTES, contents_of
from fewshot.catalog.models import Tag
from fewshot.catalog.store import Catalog
from fewshot.consent import Consent
from fewshot.errors import BadInputError, ConflictError, IntegrityError, NotFoundError, UsageError
from fewshot.files import atomic_write_bytes
from fewshot.home import check_name

SCHEMA = 1
MANIFEST = "manifest.json"
MAX_BUNDLE = MAX_BYTES + 64_000_000
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(safetensors|json|toml|md|png)")
_UNREADABLE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, OSError),
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError, UsageError),
)
"""What zipfile raises for what it cannot read, and what a manifest leads to that holds something else."""
_HINT = "ask whoever made it for a new one: fewshot catalog export NAME -o NAME.zip"


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and verified."""

    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]
    """The adapter's files by name."""
    base: bytes | None
    """The base's file, if it came along."""


def export(
    catalog: Catalog, text: str, out: Path, *, with_base: bool = False, overwrite: bool = False
) -> Path:
    """Write a version as a bundle (`out` ends in `.zip`) or as a PEFT folder.

    Raises:
        NotFoundError: no such style, version or alias, or its base is no file here.
        ConflictError: `out` exists.
        IntegrityError: no consent, a stored file is missing or damaged, or the base here is another one.
    """
    if out.exists() and not overwrite:
        raise ConflictError(f"{out} exists already", "choose another -o, or replace it with --overwrite")
    with catalog.read() as session:
        entry, version, consent = allowed_version(session, text)
        hashes = stored_hashes(session, version)
        tags = session.scalars(select(Tag.tag).where(Tag.entry_id == entry.id).order_by(Tag.tag))
        base = {"name": version.base_name, "sha256": version.base_sha256}
        manifest = {
            "schema": SCHEMA,
            "name": entry.name,
            "version": version.number,
            "artist": entry.artist,
            "licence": entry.licence,
            "notes": entry.notes,
            "tags": list(tags),
            "consent": consent.to_dict(),
            "base": base,
        }
    files = {path: catalog.blobs.get(sha256) for path, sha256 in hashes.items()}
    if out.suffix.lower() == ".zip":
        atomic_write_bytes(out, pack(manifest, files, packed_base(base) if with_base else None))
    else:
        write_folder(out, files, overwrite=overwrite)
    with catalog.write() as session:
        catalog.record(session, "export", entry.name, {"with_base": with_base}, version.number)
    return out


def import_(catalog: Catalog, path: Path, *, name: str | None = None) -> Added:
    """Take a bundle in: all of it or nothing, and once however often it is done.

    Args:
        name: of the style here; the bundle's own when left out.

    Raises:
        NotFoundError: no such file, or the bundle's base is neither here nor in it.
        IntegrityError: not a bundle, or changed since it was written.
    """
    bundle = read(path)
    with installed_base(bundle.manifest["base"], bundle.base):
        where = Path(path.name)
        contents = contents_of(verified(where, bundle.files.get))
        if {"name": contents.base_name, "sha256": contents.base_sha256} != bundle.manifest["base"]:
            raise IntegrityError(f"{path}: the manifest names another base than the adapter", _HINT)
        words = {key: bundle.manifest[key] for key in ("artist", "licence", "notes")}
        contents = replace(contents, record={**contents.record, **words})
        stated = Consent.from_dict(bundle.manifest["consent"])
        facts = Facts(tags=bundle.manifest["tags"], stated=stated)
        return add_contents(catalog, contents, check_name(name or bundle.manifest["name"]), facts, "import")


def pack(manifest: Mapping[str, Any], files: Mapping[str, bytes], base: bytes | None = None) -> bytes:
    """The bytes of a bundle: the same for the same arguments, on every machine."""
    listed = {
        path: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for path, data in files.items()
    }
    members = dict(files)
    if base is not None:
        members[_base_path(manifest)] = base
    text = json.dumps({**manifest, "files": listed}, sort_keys=True, ensure_ascii=False, indent=1)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path, data in [(MANIFEST, text.encode()), *sorted(members.items())]:
            info = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            # Else it tells which system wrote it.
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, data)
    return stream.getvalue()


def read(path: Path) -> Bundle:
    """Read and verify a bundle; nothing is written.

    Raises:
        NotFoundError: no such file.
        BadInputError: larger than a bundle can be.
        IntegrityError: not a bundle, of a newer kind, or changed since it was written.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file; expected a bundle (.zip)", "check the path")
    if path.stat().st_size > MAX_BUNDLE:
        raise BadInputError(f"{path}: larger than {MAX_BUNDLE:,} bytes, which no bundle is", _HINT)
    data = path.read_bytes()
    try:
        members = _members(data)
        manifest = json.loads(members.pop(MANIFEST, b""))
        bundle = _understood(manifest, members)
    except _UNREADABLE as error:
        raise IntegrityError(f"{path}: no intact bundle ({error!s:.100})", _HINT) from None
    rest = {key: value for key, value in manifest.items() if key != "files"}
    if pack(rest, bundle.files, bundle.base) != data:
        raise IntegrityError(
            f"{path}: not as `fewshot catalog export` wrote it; it was changed or packed again",
            "unpack it and add the folder: fewshot catalog add FOLDER",
        )
    return bundle


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) > 64 or sum(info.file_size for info in infos) > MAX_BUNDLE:
            raise ValueError("too many or too large files")
        if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in infos):
            raise ValueError("compressed or encrypted files")
        if len({info.filename for info in infos}) != len(infos):
            raise ValueError("two files of one name")
        return {info.filename: archive.read(info) for info in infos}


def _understood(manifest: dict[str, Any], members: dict[str, bytes]) -> Bundle:
    if not isinstance(manifest, dict) or not isinstance(manifest["schema"], int):
        raise ValueError("its manifest is no object with a schema")
    if manifest["schema"] > SCHEMA:
        raise ValueError(f"made by a newer fewshot: schema {manifest['schema']}, expected {SCHEMA}")
    strings = [manifest[key] for key in ("name", "artist", "licence", "notes")] + list(manifest["tags"])
    if not all(isinstance(text, str) for text in strings) or set(manifest["base"]) != {"name", "sha256"}:
        raise ValueError("its manifest has values of another kind")
    if not isinstance(manifest["consent"], dict) or not isinstance(manifest["tags"], list):
        raise ValueError("its manifest has values of another kind")
    base = members.pop(_base_path(manifest), None)
    files = manifest["files"]
    if set(files) != set(members) or not {WEIGHTS, CONFIG} <= set(files):
        raise ValueError("its manifest lists other files than it holds")
    for path, facts in files.items():
        if not _FILE.fullmatch(path):
            raise ValueError(f"{path!r} is no file of an adapter")
        if facts != {"sha256": hashlib.sha256(members[path]).hexdigest(), "size": len(members[path])}:
            raise ValueError(f"{path} is damaged or changed")
    return Bundle(manifest, members, base)


def _base_path(manifest: Mapping[str, Any]) -> str:
    return f"base/{check_name(str(manifest['base']['name']), 'base')}.safetensors"

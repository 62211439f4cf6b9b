"""The format of a bundle: one version of a style in one zip.

    manifest.json              schema, name, words, consent, base, and sha256 and size of every file
    adapter_model.safetensors  and the other files of the adapter, under their own names
    base/<name>.safetensors    with `--with-base`

A bundle is canonical: sorted, uncompressed, without times, so that the same version makes the same bytes.
What differs from that in one byte is refused, so nothing in a zip's format can hide anything.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.adapters.files import CONFIG, WEIGHTS
from fewshot.adapters.record import FILE_NAME, HASH
from fewshot.catalog.contents import MAX_BYTES
from fewshot.consent import Consent
from fewshot.errors import BadInputError, IntegrityError, NotFoundError, UsageError
from fewshot.home import check_name
from fewshot.strict_json import loads

SCHEMA = 1
MANIFEST = "manifest.json"
MAX_BUNDLE = MAX_BYTES + 64_000_000
_UNREADABLE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, OSError),
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError, UsageError),
)
"""What zipfile raises for what it cannot read, and what a manifest leads to that holds something else."""
HINT = (
    "give a .zip that `fewshot catalog export NAME -o NAME.zip` wrote, or ask for it again; an adapter that "
    "was zipped otherwise is unpacked and added: fewshot catalog add FOLDER"
)


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and verified."""

    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]
    """The adapter's files by name."""
    base: bytes | None
    """The base's file, if it came along."""


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
    if path.is_dir():
        raise NotFoundError(f"{path} is a folder; expected a bundle (.zip)", f"fewshot catalog add {path}")
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file; expected a bundle (.zip)", "check the path")
    if path.stat().st_size > MAX_BUNDLE:
        raise BadInputError(f"{path}: larger than {MAX_BUNDLE:,} bytes, which no bundle is", HINT)
    data = path.read_bytes()
    try:
        members = _members(data)
        if MANIFEST not in members:
            raise ValueError(f"no {MANIFEST} in it")
        manifest = loads(members.pop(MANIFEST))
        bundle = _understood(manifest, members)
    except _UNREADABLE as error:
        raise IntegrityError(f"{path}: no intact bundle ({error!s:.100})", HINT) from None
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
    texts = [manifest[key] for key in ("name", "artist", "licence", "notes")]
    base, tags = manifest["base"], manifest["tags"]
    if (
        set(base) != {"name", "sha256"}
        or not isinstance(tags, list)
        or not isinstance(manifest["consent"], dict)
    ):
        raise ValueError("its manifest has values of another kind")
    if not all(isinstance(text, str) for text in (*texts, *tags, *base.values())):
        raise ValueError("its manifest has values of another kind")
    if base["name"].endswith(".netD") or not HASH.fullmatch(base["sha256"]):
        raise ValueError("its base has the name of discriminators, or no sha256")
    check_name(manifest["name"])
    Consent.from_dict(manifest["consent"])
    for tag in tags:
        check_name(tag, "tag")
    base_file = members.pop(_base_path(manifest), None)
    files = manifest["files"]
    if set(files) != set(members) or not {WEIGHTS, CONFIG} <= set(files):
        raise ValueError("its manifest lists other files than it holds")
    for path, facts in files.items():
        if not FILE_NAME.fullmatch(path):
            raise ValueError(f"{path!r} is no file of an adapter")
        if facts != {"sha256": hashlib.sha256(members[path]).hexdigest(), "size": len(members[path])}:
            raise ValueError(f"{path} is damaged or changed")
    return Bundle(manifest, members, base_file)


def _base_path(manifest: Mapping[str, Any]) -> str:
    """Where the base lies in a bundle; raises UsageError for a name that cannot be one."""
    return f"base/{check_name(str(manifest['base']['name']), 'base')}.safetensors"

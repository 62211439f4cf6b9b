"""The files of an adapter folder, verified: checksums first, then configuration. Loads without torch.

A folder written by this project has an `adapter.json` that lists the sha256 of every file; a plain PEFT
folder has none and is read too, as long as its configuration names its base.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fewshot.adapters.record import check_record
from fewshot.consent import Consent
from fewshot.errors import IntegrityError, NotFoundError
from fewshot.strict_json import loads

WEIGHTS, CONFIG, RECORD = "adapter_model.safetensors", "adapter_config.json", "adapter.json"
FORMAT = 1
_TRIES = 20
"""Readings of a folder that is replaced meanwhile."""
HINT = "copy the whole folder again from where it came from, or train it again: fewshot adapt"


@dataclass(frozen=True)
class AdapterFiles:
    """What lies in an adapter folder."""

    folder: Path
    """Where it was read from."""
    name: str
    """What the artist called it."""
    base_name: str
    """The base it belongs to, such as `scan_128.anime`."""
    base_sha256: str
    """Identity of that base's weights; empty in a plain PEFT folder that does not say."""
    config: Mapping[str, Any]
    """adapter_config.json."""
    record: Mapping[str, Any]
    """adapter.json; empty for a plain PEFT folder."""
    contents: Mapping[str, bytes] = field(repr=False)
    """Every file that belongs to it, as it was when it was verified."""

    @property
    def consent(self) -> Consent:
        """What adapter.json says of the artist's consent."""
        return Consent.from_dict(self.record.get("consent") or {})

    @property
    def sha256(self) -> str:
        """Over tensors and configuration: adapters with the same one draw the same."""
        digests = (hashlib.sha256(self.contents[name]).digest() for name in (CONFIG, WEIGHTS))
        return hashlib.sha256(b"".join(digests)).hexdigest()


def read_files(folder: str | Path) -> AdapterFiles:
    """Read and verify an adapter folder.

    Raises:
        NotFoundError: no such folder, or it holds no adapter.
        IntegrityError: a file is missing, damaged or was changed (its name is in the message), or no base
            is named.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotFoundError(
            f"{folder}: no such folder; expected an adapter", "check the path and its spelling"
        )
    if not is_adapter(folder):
        raise NotFoundError(
            f"{folder}: no adapter in it, {CONFIG} is missing", "give the folder that `fewshot adapt` wrote"
        )
    for _ in range(_TRIES):
        before = _place(folder)
        try:
            return verified(folder, lambda name: _read(folder / name))
        except IntegrityError:
            # Half of it may be of the folder that was just put in its place (`swap.py`).
            if _place(folder) == before:
                raise
    return verified(folder, lambda name: _read(folder / name))


def verified(folder: Path, read: Callable[[str], bytes | None]) -> AdapterFiles:
    """The same for files that lie elsewhere.

    Args:
        folder: for messages, and for the name of a plain PEFT folder.
        read: content of a file by its name; None where there is none.
    """
    record, contents = _recorded(folder, read)
    config = _parse(folder / CONFIG, contents[CONFIG])
    base = record.get("base") or {}
    base_name = base.get("name") or config.get("base_model_name_or_path")
    base_sha256 = base.get("sha256") or config.get("revision") or ""
    if not base_name or not isinstance(base_name, str):
        raise IntegrityError(
            f"{folder / CONFIG}: base_model_name_or_path is {base_name!r:.80}, so its base is unknown",
            "write the base's name there, such as scan_128.anime; `fewshot base ls` lists them",
        )
    return AdapterFiles(
        folder=folder,
        name=str(record.get("name") or _folder_name(folder)),
        base_name=base_name,
        base_sha256=str(base_sha256),
        config=config,
        record=record,
        contents=contents,
    )


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """`record` with its own `sha256` over everything else in it; whoever changes it seals it again."""
    rest = {key: value for key, value in record.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False)
    return {**rest, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def record_bytes(record: Mapping[str, Any]) -> bytes:
    """adapter.json's content, sealed."""
    return (
        json.dumps(seal(record), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode()


def is_adapter(folder: Path) -> bool:
    """Whether `folder` looks like an adapter folder; nothing in it is verified."""
    return (folder / CONFIG).is_file() or (folder / RECORD).is_file()


def _recorded(folder: Path, read: Callable[[str], bytes | None]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """adapter.json, or nothing where there is none, and the files that it lists."""

    def needed(name: str) -> bytes:
        content = read(name)
        if content is None:
            raise IntegrityError(f"{folder / name}: missing; the adapter is not complete", HINT)
        return content

    path, text = folder / RECORD, read(RECORD)
    if text is None:
        return {}, {name: needed(name) for name in (CONFIG, WEIGHTS)}
    contents, record = {RECORD: text}, _parse(path, text)
    try:
        check_record(record)
    except ValueError as error:
        raise IntegrityError(f"{path}: {error}", HINT) from None
    # A withdrawal is honoured however it was written down, so it needs no seal.
    withdrawn = Consent.from_dict(record.get("consent") or {}).status == "withdrawn"
    if not withdrawn and seal(record)["sha256"] != record.get("sha256"):
        raise IntegrityError(f"{path}: was changed after it was written (its sha256 does not match)", HINT)
    files = record.get("files")
    if not isinstance(files, dict) or not {WEIGHTS, CONFIG} <= files.keys():
        raise IntegrityError(f"{path}: lists no checksums for {WEIGHTS} and {CONFIG}", HINT)
    for name, expected in files.items():
        contents[name] = needed(name)
        found = hashlib.sha256(contents[name]).hexdigest()
        if found != expected:
            raise IntegrityError(
                f"{folder / name}: damaged or changed (sha256 {found[:12]}…, expected {str(expected)[:12]}…)",
                HINT,
            )
    return record, contents


def _place(folder: Path) -> tuple[int, int]:
    """Which folder has that name now; none where it is being exchanged."""
    try:
        found = folder.stat()
    except OSError:
        return (0, 0)
    return found.st_dev, found.st_ino


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        value = loads(content)
        if not isinstance(value, dict):
            raise ValueError(f"it is a {type(value).__name__}")
    except ValueError as error:
        raise IntegrityError(f"{path}: damaged; expected a JSON object ({error!s:.80})", HINT) from None
    return value


def _folder_name(folder: Path) -> str:
    folder = folder.absolute()
    return folder.parent.name if folder.name == "adapter" else folder.name

"""Reading an adapter folder: checksums first, then configuration and tensors.

A folder written by this project has an `adapter.json` that lists the sha256 of every file; a plain PEFT
folder has none and is read too, as long as its configuration names its base.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load
from torch import Tensor

from fewshot.errors import IntegrityError, NotFoundError

WEIGHTS, CONFIG, RECORD = "adapter_model.safetensors", "adapter_config.json", "adapter.json"
FORMAT = 1
WITHDRAWN = "withdrawn"

_HINT = "copy the whole folder again from where it came from, or train it again: fewshot adapt"


@dataclass(frozen=True)
class Adapter:
    """One style: what was learned on top of a base, and what is known of it."""

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
    state: Mapping[str, Tensor] = field(repr=False)
    """Tensors under PEFT's names, float32 or float16, on the CPU."""
    sha256: str
    """Over tensors and configuration: adapters with the same one draw the same."""
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """adapter.json; empty for a plain PEFT folder."""

    @property
    def consent(self) -> str:
        """The artist's consent in the words of adapter.json; empty when nothing is stated."""
        return str(self.record.get("consent") or "")

    @property
    def licence(self) -> str:
        """Licence words of the adapter; empty when nothing is stated."""
        return str(self.record.get("licence") or "")


def read_adapter(folder: str | Path) -> Adapter:
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
    if not any((folder / name).is_file() for name in (CONFIG, RECORD)):
        raise NotFoundError(
            f"{folder}: no adapter in it, {CONFIG} is missing", "give the folder that `fewshot adapt` wrote"
        )
    record = _read_record(folder)
    contents = {name: _read(folder / name) for name in (CONFIG, WEIGHTS)}
    config = _parse(folder / CONFIG, contents[CONFIG])
    base = record.get("base") or {}
    base_name = base.get("name") or config.get("base_model_name_or_path")
    if not base_name:
        raise IntegrityError(
            f"{folder / CONFIG}: base_model_name_or_path is empty, so its base is unknown",
            "write the base's name there, such as scan_128.anime; `fewshot base ls` lists them",
        )
    try:
        state = load(contents[WEIGHTS])
    except safetensors.SafetensorError as error:
        raise IntegrityError(f"{folder / WEIGHTS}: damaged ({error!s:.80})", _HINT) from None
    return Adapter(
        folder=folder,
        name=str(record.get("name") or _folder_name(folder)),
        base_name=str(base_name),
        base_sha256=str(base.get("sha256") or config.get("revision") or ""),
        config=config,
        state=state,
        sha256=hashlib.sha256(b"".join(hashlib.sha256(c).digest() for c in contents.values())).hexdigest(),
        record=record,
    )


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """`record` with its own `sha256` over everything else in it; whoever changes it seals it again."""
    rest = {key: value for key, value in record.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False)
    return {**rest, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def is_adapter(folder: Path) -> bool:
    """Whether `folder` looks like an adapter folder; nothing in it is verified."""
    return (folder / CONFIG).is_file() or (folder / RECORD).is_file()


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    if not path.exists():
        return {}
    record = _parse(path, _read(path))
    # A withdrawal is honoured however it was written down, so it needs no seal.
    if record.get("consent") != WITHDRAWN and seal(record)["sha256"] != record.get("sha256"):
        raise IntegrityError(f"{path}: was changed after it was written (its sha256 does not match)", _HINT)
    files = record.get("files")
    if not isinstance(files, dict) or not {WEIGHTS, CONFIG} <= files.keys():
        raise IntegrityError(f"{path}: lists no checksums for {WEIGHTS} and {CONFIG}", _HINT)
    for name, expected in files.items():
        if Path(name).name != name:
            raise IntegrityError(f"{path}: lists {name!r}, which is no file of this folder", _HINT)
        found = hashlib.sha256(_read(folder / name)).hexdigest()
        if found != expected:
            raise IntegrityError(
                f"{folder / name}: damaged or changed (sha256 {found[:12]}…, expected {str(expected)[:12]}…)",
                _HINT,
            )
    return record


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise IntegrityError(f"{path}: missing; the adapter is not complete", _HINT) from None


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise IntegrityError(f"{path}: damaged; expected a JSON object", _HINT)
    return value


def _folder_name(folder: Path) -> str:
    folder = folder.absolute()
    return folder.parent.name if folder.name == "adapter" else folder.name

"""What adapter.json may say: the kind of every value that is read, whoever wrote the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fewshot.consent import Consent
from fewshot.errors import UsageError

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(safetensors|json|toml|md|png)")
"""A file of an adapter: nothing that runs, nothing outside the folder."""
HASH = re.compile(r"[0-9a-f]{0,64}")
"""A sha256, or nothing where none is known."""

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "licence": str,
    "artist": str,
    "notes": str,
    "consent": (str, dict),
    "extractor_sha256": str,
    "base": dict,
    "recipe": dict,
    "metrics": dict,
    "files": dict,
    "versions": dict,
    "references": list,
    "tags": list,
}


def check_record(record: Mapping[str, Any]) -> None:
    """Raise ValueError, in words, where a value is not of its kind; unknown keys are left alone."""
    for key, kind in _KINDS.items():
        value = record.get(key)
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"its {key} is a {type(value).__name__}")
    for key, inner in (("base", ("name", "sha256")), ("recipe", ("hash", "name"))):
        for name in inner:
            if not isinstance((record.get(key) or {}).get(name, ""), str):
                raise ValueError(f"the {name} of its {key} is no text")
    hashes = [record.get("extractor_sha256") or "", (record.get("recipe") or {}).get("hash", "")]
    for value in (*hashes, (record.get("base") or {}).get("sha256", "")):
        if not HASH.fullmatch(value):
            raise ValueError(f"{value[:20]!r} in it is no sha256")
    for value in (*(record.get("references") or []), *(record.get("tags") or [])):
        if not isinstance(value, str):
            raise ValueError(f"its references and tags hold {value!r:.40}, expected text")
    for name, sha256 in (record.get("files") or {}).items():
        if not FILE_NAME.fullmatch(name) or not isinstance(sha256, str):
            raise ValueError(f"it lists {name!r:.80}, which is no file of an adapter")
    try:
        Consent.from_dict(record.get("consent") or {})
    except UsageError as error:
        raise ValueError(str(error)) from None

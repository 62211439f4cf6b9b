"""What a weight file says of itself in its header, for tools that know no folder: ModelSpec 1.0.1.

https://github.com/Stability-AI/ModelSpec names the keys. They are kept as one JSON value under `modelspec`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

KEY = "modelspec"


def modelspec(record: Mapping[str, Any], method: str) -> dict[str, str]:
    """Header metadata from adapter.json's content and the method, such as `lora`; `format` is PEFT's own."""
    base = record["base"]["name"]
    known = {
        "sai_model_spec": "1.0.1",
        "architecture": f"{base}/{method}",
        "implementation": "fewshot-style",
        "title": record["name"],
        "description": f"one artist's style for {base}, learned from {len(record['references'])} drawings",
        "license": record["licence"] or "unknown",
        "tags": "fewshot-style,image-to-image",
    }
    values = {f"modelspec.{key}": value for key, value in known.items()}
    return {"format": "pt", KEY: json.dumps(values, sort_keys=True, ensure_ascii=False)}


def with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """A safetensors file with metadata in its header: the same bytes each time.

    safetensors itself writes several keys in random order.

    Args:
        content: a file without metadata.
    """
    (length,) = struct.unpack("<Q", content[:8])
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(content[8 : 8 + length])}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    # The format asks for data at a multiple of eight bytes.
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]

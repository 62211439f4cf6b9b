"""Resumable training state: one file, written atomically, with a checksum that is verified on loading."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from fewshot.errors import IntegrityError
from fewshot.files import atomic_write_bytes

_DIGEST = 32


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dicts; an older file stays whole until the new one is.

    Raises:
        BadInputError: the disk is full or the folder cannot be written to.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    atomic_write_bytes(path, hashlib.sha256(data).digest() + data)


def load_state(path: Path) -> dict[str, Any] | None:
    """The saved state with all tensors on the CPU, or None where there is no file.

    Raises:
        IntegrityError: the file was altered or cut.
    """
    if not path.exists():
        return None
    data = path.read_bytes()
    if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
        raise IntegrityError(
            f"{path} is damaged: it does not match its own checksum", "delete it to start this run anew"
        )
    return torch.load(io.BytesIO(data[_DIGEST:]), map_location="cpu", weights_only=True)

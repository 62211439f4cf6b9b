"""JSON from other people: as `json` reads it, without what a database or another reader would refuse."""

from __future__ import annotations

import json
import math
from typing import Any

_DIGITS = 18
"""Of an integer: what 64 bits hold."""


def loads(data: bytes | str) -> Any:
    """Read a document.

    Raises:
        ValueError: no JSON, not UTF-8, too deep, or with NaN, an infinity, an integer beyond 64 bits, a NUL
            or half a surrogate pair in it, none of which can be stored everywhere.
    """
    try:
        value = json.loads(data, parse_constant=_refuse, parse_int=_integer, parse_float=_real)
        _check_text(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _refuse(text: str) -> Any:
    raise ValueError(f"it has {text} in it, which is no number")


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _DIGITS:
        raise ValueError(f"it has an integer of {len(text)} digits in it")
    return int(text)


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"it has {text[:20]} in it, which is too large")
    return value


def _check_text(value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            _check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner)
    elif isinstance(value, str):
        check_storable(value)


def check_storable(text: str) -> None:
    """Raise ValueError for text that not every database and file can hold."""
    if "\0" in text:
        raise ValueError(f"{text[:20]!r} has a NUL in it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text[:20]!r} is not whole Unicode") from None

"""Sizes of memory and files in words, both ways, and how many cores there are to use."""

from __future__ import annotations

import os
import re

from fewshot.errors import UsageError

_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_LEAST = 1e6


def usable_cores() -> int:
    """Cores that this process may use: a batch system or a container may have given it a few of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def format_bytes(count: float) -> str:
    """`850 MB`, `2.6 GB`: powers of ten, as disks and clouds count."""
    return f"{count / 1e9:.1f} GB" if abs(count) >= 1e9 else f"{count / 1e6:.0f} MB"


def parse_bytes(text: str) -> float:
    """`4GB`, `1.5 GiB`, `900MB` or plain bytes.

    Raises:
        UsageError: no size, or less than a megabyte, which is a unit that was left out.
    """
    found = re.fullmatch(r"\s*([\d.]+)\s*([kmgt]?i?)b?\s*", text, re.IGNORECASE)
    try:
        size = float(found[1]) * _UNITS[found[2].lower()] if found else 0.0
    except (KeyError, ValueError):
        size = 0.0
    if size < _LEAST:
        raise UsageError(f"{text!r} is no size of memory", "write it like 4GB, 1.5GiB or 900MB")
    return size

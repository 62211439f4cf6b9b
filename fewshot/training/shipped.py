"""What the scripts that make shipped weights share: settings as flags, and the files themselves."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from safetensors.torch import save
from torch import nn

from eval.shipped_weights import tensors_sha256
from fewshot.files import atomic_write_bytes

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Settings = TypeVar("Settings", bound=DataclassInstance)


def parse_settings(parser: argparse.ArgumentParser, default: Settings) -> tuple[Settings, dict[str, Any]]:
    """Parse the command line with a flag for each field of a dataclass; the settings, and all options."""
    fields = asdict(default)
    for name, value in fields.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = vars(parser.parse_args())
    return replace(default, **{name: options[name] for name in fields}), options


def save_shipped(net: nn.Module, path: Path, header: str, facts: dict[str, object]) -> None:
    """Store as float16 safetensors with one JSON header that carries the tensors' sha256.

    Args:
        net: whose state is stored.
        path: of the file.
        header: key of the facts in the safetensors header.
        facts: JSON-ready.
    """
    state = {
        name: (t.half() if t.is_floating_point() else t).contiguous() for name, t in net.state_dict().items()
    }
    text = json.dumps({**facts, "sha256": tensors_sha256(state)}, sort_keys=True)
    atomic_write_bytes(path, save(state, metadata={header: text}))

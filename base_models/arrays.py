"""The base checkpoint as arrays, verified: for whoever draws with it without torch.

`checkpoint.py` documents the file and builds torch networks of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from base_models.architectures import ARCHITECTURES, Architecture, multiple_of
from base_models.registry import CheckpointError, find_file, read_header

FORMAT = 2
DAMAGED = "the file is damaged: reinstall the package or copy the file again"

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class BaseArrays:
    """One direction of a base model: photo to drawing."""

    name: str
    """`arch` or `arch.tag`."""
    sha256: str
    """Identity of the weights; adapters name it."""
    architecture: Architecture
    """Sizes and switches."""
    parameters: Mapping[str, NDArray[np.float32]] = field(repr=False)
    """Of `netG_A`, by the names of `StackedGenerator.state_dict()`."""
    header: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The whole header."""

    @property
    def size(self) -> int:
        """Side in pixels of the pictures the last stage is made for."""
        return self.architecture.stages[-1].size

    @property
    def multiple(self) -> int:
        """Both sides of a picture are multiples of it."""
        return multiple_of(self.architecture.stages, self.architecture.parser)


def load_arrays(name: str | Path, *, folders: Sequence[Path] = ()) -> BaseArrays:
    """Load a base model as `registry.create_model` does, without torch where it has a file.

    Raises:
        CheckpointError: no such model (exit code 4), or a damaged file (exit code 6).
    """
    if str(name) in ARCHITECTURES:
        # Random weights are torch's own.
        from base_models.checkpoint import arrays_of, random_model

        return arrays_of(random_model(str(name), 0))
    path = find_file(str(name), folders)
    header, state = read_verified(path)
    prefix = "netG_A."
    parameters = {
        key.removeprefix(prefix): array.astype(np.float32)
        for key, array in state.items()
        if key.startswith(prefix)
    }
    try:
        architecture = Architecture.from_dict(header["architecture"])
        return BaseArrays(header["name"], header["sha256"], architecture, parameters, header)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} does not fit its own architecture ({error!s:.120})", DAMAGED) from None


def read_verified(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and tensors of one file, whose sha256 is what the header says.

    Raises:
        CheckpointError: unreadable, altered, or of a newer format.
    """
    header = read_header(path)
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {header.get('format')}, expected {FORMAT}",
            "it was written by another version of fewshot-style: use that one, or train the base anew",
        )
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path} cannot be read ({error!s:.80})", DAMAGED) from None
    if header_sha256(header, state) != header.get("sha256"):
        raise CheckpointError(f"{path} does not match its own sha256", DAMAGED)
    return header, state


def header_sha256(header: Mapping[str, Any], state: Arrays) -> str:
    """sha256 over the header without its `sha256` and over names, dtypes, shapes and bytes of the tensors."""
    rest = {key: value for key, value in header.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        # torch's name of the type, which the first files were sealed with.
        digest.update(f"{name}:torch.{array.dtype}:{array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()

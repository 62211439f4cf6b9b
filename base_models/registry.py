"""Names of base models: `arch` makes a seeded random one, `arch.tag` loads trained weights.

Loads without torch. A trained file is looked for in `base_models/weights/`, then in the folders the caller
names (such as `FEWSHOT_HOME/base`). Its own header says what it is; `checkpoint.py` documents the format.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from base_models.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel

WEIGHTS = Path(__file__).parent / "weights"
HEADER_KEY = "scan"
_DISCRIMINATORS = ".netD"
_MAX_HEADER = 100_000_000
_HINT = "download or copy the file again; `fewshot base ls` lists the intact ones"


class CheckpointError(ValueError):
    """A base model cannot be found or its file cannot be trusted.

    Attributes:
        hint: what to do next.
        exit_code: 4 when there is no such model, 6 when a file is damaged.
    """

    def __init__(self, message: str, hint: str, exit_code: int = 6) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code


@dataclass(frozen=True)
class ModelInfo:
    """One line of `fewshot base ls`."""

    name: str
    """`arch` or `arch.tag`."""
    path: Path | None
    """The weight file, None for seeded random weights."""
    size: int
    """Side of the pictures it is made for, px."""
    licence: str
    """Licence words of the data the weights were trained on."""
    sha256: str
    """Hash of the tensors and their header, empty without a file."""
    parameters: int | None
    """Parameters of one direction; None where they were not counted, for want of a file."""
    facts: dict[str, Any]
    """Training facts from the header."""


def discriminators_path(path: Path) -> Path:
    """Where the discriminators of the base at `path` lie: `scan_128.anime.netD.safetensors` beside it."""
    return path.with_name(f"{path.stem}{_DISCRIMINATORS}{path.suffix}")


def list_models(folders: Sequence[Path] = ()) -> list[ModelInfo]:
    """Every registered architecture and every trained file in the package and in `folders`, by name.

    Files whose header cannot be read are left out here; loading one by name says what is wrong with it.
    """
    models = [ModelInfo(n, None, a.stages[-1].size, "", "", None, {}) for n, a in ARCHITECTURES.items()]
    for folder in (WEIGHTS, *folders):
        for path in sorted(folder.glob("*.safetensors")):
            if path.stem.endswith(_DISCRIMINATORS):
                continue
            with contextlib.suppress(CheckpointError, KeyError, IndexError, TypeError):
                models.append(_describe(path))
    return sorted(models, key=lambda model: model.name)


def _describe(path: Path) -> ModelInfo:
    raw = _read_raw_header(path)
    header = read_header(path)
    shapes = [entry["shape"] for name, entry in raw.items() if name.startswith("netG_A.")]
    return ModelInfo(
        name=path.stem,
        path=path,
        size=header["architecture"]["stages"][-1]["size"],
        licence=header["licence"],
        sha256=header["sha256"],
        parameters=sum(math.prod(shape) for shape in shapes),
        facts=header["training"],
    )


def create_model(name: str | Path, *, folders: Sequence[Path] = (), seed: int = 0) -> BaseModel:
    """Load or make a base model.

    Args:
        name: `scan_128.anime` (trained), `scan_tiny` (random weights from `seed`), or a path to a
            `.safetensors` file.
        folders: further folders with trained files.
        seed: seed of random weights; unused for trained ones.

    Raises:
        CheckpointError: no such model (exit code 4), or a damaged file (exit code 6).
    """
    from base_models.checkpoint import load_checkpoint, random_model

    if str(name) in ARCHITECTURES:
        return random_model(str(name), seed)
    return load_checkpoint(find_file(str(name), folders))


def check_model(name: str | Path, folders: Sequence[Path] = ()) -> None:
    """Raises CheckpointError where `create_model` would find no such model; loads nothing."""
    if str(name) not in ARCHITECTURES:
        find_file(str(name), folders)


def same_model(name: str, sha256: str, folders: Sequence[Path] = ()) -> str:
    """The name under which a model is known here: `name`, unless only another file has that identity.

    Args:
        name: what it was called where it came from.
        sha256: its identity; empty where that is not known.
        folders: further folders with trained files.
    """
    models = [model for model in list_models(folders) if sha256 and model.sha256 == sha256]
    names = [model.name for model in models]
    return names[0] if names and name not in names else name


def find_file(name: str, folders: Sequence[Path] = ()) -> Path:
    """The weight file of a trained model.

    Raises:
        CheckpointError: there is none; the hint names the nearest known name.
    """
    if name.endswith(".safetensors"):
        candidates = [Path(name)]
    else:
        candidates = [folder / f"{name}.safetensors" for folder in (WEIGHTS, *folders)]
    for path in candidates:
        if path.is_file():
            return path
    known = [model.name for model in list_models(folders)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise CheckpointError(
        f"there is no base model {name!r}", f"{hint}`fewshot base ls` lists them", exit_code=4
    )


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a base checkpoint, read without torch and without the tensors.

    Raises:
        CheckpointError: not a safetensors file, or one without our header.
    """
    raw = _read_raw_header(path)
    try:
        text = raw["__metadata__"][HEADER_KEY]
        header = json.loads(text)
        # Two texts can mean the same (1e-05 and 1E-05); only the one that was written is intact.
        if not isinstance(header, dict) or json.dumps(header, sort_keys=True) != text:
            raise ValueError("its header was altered")
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not an intact base checkpoint ({error!s:.80})", _HINT) from None
    return header


def _read_raw_header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: metadata, and dtype, shape and offsets of every tensor."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MAX_HEADER:
                raise ValueError(f"its header claims {length} bytes")
            text = file.read(length)
        # The header is padded with spaces; anything else there was not written by safetensors.
        if not text.rstrip(b" ").endswith(b"}"):
            raise ValueError("its header has no end")
        raw = json.loads(text)
        if not isinstance(raw, dict):
            raise ValueError("its header is no object")
        return raw
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} does not exist", "`fewshot base ls` lists the bases", exit_code=4
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}", _HINT) from None
    except (ValueError, struct.error) as error:
        raise CheckpointError(f"{path} is not an intact base checkpoint ({error!s:.80})", _HINT) from None

"""Weight files: where they are looked for, how they are checked, how they are read.

A file is looked for in this order: the path given, `FEWSHOT_HOME/cache/weights/NAME`, and for a file with a
known URL the download, which is checked against its sha256 and kept in that folder. Pickles are read with
torch's safe unpickler only, so a weight file cannot run code.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eval.errors import MissingWeightsError, WeightsMismatchError


@dataclass(frozen=True)
class WeightFile:
    """A file that may have to be fetched."""

    name: str
    """File name in the cache folder."""
    url: str | None = None
    """Where it can be fetched from; None where no public file of this layout has a fixed address."""
    sha256: str | None = None
    """Checked after a download and on every cached read; a file given by path may be another."""


def weights_folder() -> Path:
    """`FEWSHOT_HOME/cache/weights`; without that variable, under the user's data folder."""
    home = os.environ.get("FEWSHOT_HOME")
    if home:
        return Path(home) / "cache" / "weights"
    import platformdirs

    return Path(platformdirs.user_data_dir("fewshot")) / "cache" / "weights"


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def find_weights(wanted: WeightFile, given: Path | None = None, timeout: float = 30) -> Path:
    """Path of a weight file: as given, from the cache folder, or freshly downloaded.

    Raises:
        MissingWeightsError: not there and not to be had; the message names every way to provide it.
        WeightsMismatchError: a cached or downloaded file has another sha256.
    """
    if given is not None:
        if given.is_file():
            return given
        raise MissingWeightsError(f"the weight file {given} does not exist", ways(wanted))
    path = weights_folder() / wanted.name
    if not path.is_file():
        if wanted.url is None:
            raise MissingWeightsError(f"the weight file {wanted.name} was not found", ways(wanted))
        _download(wanted, path, timeout)
    if wanted.sha256 and (found := file_sha256(path)) != wanted.sha256:
        raise WeightsMismatchError(
            f"{path} has sha256 {found[:12]}…; expected {wanted.sha256[:12]}…", "delete it and run again"
        )
    return path


def ways(wanted: WeightFile) -> str:
    """Every way to provide a file, for error messages."""
    lines = [f"give its path as weights=FILE (--weights FILE), or put it at {weights_folder() / wanted.name}"]
    lines.append("(FEWSHOT_HOME moves that folder)")
    if wanted.url:
        lines.append(f"or let it be fetched from {wanted.url} (sha256 {wanted.sha256})")
    return " ".join(lines)


def _download(wanted: WeightFile, path: Path, timeout: float) -> None:
    """Fetch into a temporary file beside `path`, check, rename: a broken download leaves nothing behind."""
    assert wanted.url is not None
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(wanted.url, timeout=timeout) as source,
            tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as target,
        ):
            temporary = target.name
            while block := source.read(1 << 20):
                target.write(block)
        if wanted.sha256 and (found := file_sha256(Path(temporary))) != wanted.sha256:
            raise WeightsMismatchError(
                f"the download of {wanted.name} has sha256 {found[:12]}…; expected {wanted.sha256[:12]}…",
                ways(wanted),
            )
        os.replace(temporary, path)
    except (OSError, urllib.error.URLError) as error:
        raise MissingWeightsError(
            f"{wanted.name} is not here and cannot be fetched: {error}", ways(wanted)
        ) from None
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def read_state(path: Path) -> dict[str, Tensor]:
    """State dict of a .safetensors or a torch file.

    Raises:
        WeightsMismatchError: unreadable, or a pickle that holds more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsMismatchError(
            f"{path} is not a readable weight file: {error}", "fetch it again"
        ) from None
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise WeightsMismatchError(
            f"{path} holds no plain state dict", "save it with torch.save(model.state_dict())"
        )
    return dict(loaded)


def load_into(module: nn.Module, path: Path, what: str, ignore: tuple[str, ...] = ()) -> None:
    """Load a state dict; keys that begin with one of `ignore` (an unused classifier) may be there or not."""
    state = (
        {k: v for k, v in read_state(path).items() if not k.startswith(ignore)}
        if ignore
        else read_state(path)
    )
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise WeightsMismatchError(
            f"{path} is not a {what}: {reason[:300]}", f"give a file of {what}"
        ) from None

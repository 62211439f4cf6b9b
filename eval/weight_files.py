"""Weight files: where they are looked for, how they are checked, how they are read.

A file is looked for in this order: the path given, `FEWSHOT_HOME/cache/weights/NAME`, and for a file with a
known URL the download, which is kept in that folder. A file whose sha256 is known is checked against it
wherever it comes from; one's own file is used by saying its sha256. Pickles are read with torch's safe
unpickler only, so a weight file cannot run code. Finding a file loads no torch.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.errors import EvalError, MissingWeightsError, WeightsMismatchError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class WeightFile:
    """A file that may have to be fetched."""

    name: str
    """File name in the cache folder."""
    url: str | None = None
    """Where it can be fetched from; None where no public file of this layout has a fixed address."""
    sha256: str | None = None
    """Of the one file that is right; None where any file of the right layout is."""

    def pinned(self, sha256: str | None) -> WeightFile:
        """The same file with another sha256, which then is the right one; None changes nothing.

        Raises:
            EvalError: not 64 hexadecimal digits.
        """
        if sha256 is None:
            return self
        if not re.fullmatch("[0-9a-f]{64}", sha256.lower()):
            raise EvalError(
                f"the sha256 {sha256!r} is none; expected 64 hexadecimal digits", "sha256sum FILE prints it"
            )
        return replace(self, sha256=sha256.lower())


def weights_folder() -> Path:
    """`FEWSHOT_HOME/cache/weights`; without that variable, under the user's data folder."""
    home = os.environ.get("FEWSHOT_HOME", "").strip()
    if home:
        return Path(home).expanduser().absolute() / "cache" / "weights"
    import platformdirs

    return platformdirs.user_data_path("fewshot", appauthor=False) / "cache" / "weights"


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def find_weights(wanted: WeightFile, given: Path | None = None, timeout: float = 30) -> Path:
    """Path of a weight file: as given, from the cache folder, or freshly downloaded.

    Raises:
        MissingWeightsError: not there and not to be had; the message names every way to provide it.
        WeightsMismatchError: the file has another sha256.
    """
    if given is not None:
        if not given.is_file():
            raise MissingWeightsError(f"the weight file {given} does not exist", ways(wanted))
        return _checked(wanted, given)
    path = weights_folder() / wanted.name
    if not path.is_file():
        if wanted.url is None:
            raise MissingWeightsError(f"the weight file {wanted.name} was not found", ways(wanted))
        _download(wanted, path, timeout)
    return _checked(wanted, path)


def find_on_hub(wanted: WeightFile, repository: str, timeout: float = 10) -> Path:
    """Path of a weight file in Hugging Face's own cache, fetched by its own client where it is not there yet.

    Args:
        wanted: what to call the file in errors, and its sha256 where that is known.
        repository: such as `timm/resnet18.a1_in1k`; its `model.safetensors` is taken, else the older
            `pytorch_model.bin`.
        timeout: seconds for the hub's first answer, as its client would try for half a minute.

    Raises:
        MissingWeightsError: the hub cannot be reached, or has no such file.
        WeightsMismatchError: the file has another sha256.
    """
    from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache

    reason: object = "the hub is switched off by HF_HUB_OFFLINE"
    for name in ("model.safetensors", "pytorch_model.bin"):
        if isinstance(kept := try_to_load_from_cache(repository, name), str):
            return _checked(wanted, Path(kept))
        if constants.HF_HUB_OFFLINE:
            continue
        asked = urllib.request.Request(hf_hub_url(repository, name), method="HEAD")
        try:
            with urllib.request.urlopen(asked, timeout=timeout):
                pass
            return _checked(wanted, Path(hf_hub_download(repository, name)))
        except OSError as error:
            reason = error
            if not isinstance(error, urllib.error.HTTPError):
                break
    raise MissingWeightsError(
        f"{wanted.name} is not here and cannot be fetched from {repository}: {reason}", ways(wanted)
    )


def ways(wanted: WeightFile) -> str:
    """Every way to provide a file, for error messages."""
    known = f" (sha256 {wanted.sha256})" if wanted.sha256 else ""
    listed = [
        "give its path: --weights FILE (weights=FILE in Python)",
        f"put it at {weights_folder() / wanted.name} (FEWSHOT_HOME moves that folder)",
    ]
    if wanted.url:
        listed.append(f"have it fetched on a machine that reaches {wanted.url}{known}")
    return "; or ".join(listed)


def _checked(wanted: WeightFile, path: Path) -> Path:
    if wanted.sha256 and (found := file_sha256(path)) != wanted.sha256:
        raise WeightsMismatchError(
            f"{path} has sha256 {found}; expected {wanted.sha256}",
            f"fetch it again, or say that this is the file you mean: --sha256 {found} (sha256=... in Python)",
        )
    return path


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
                f"the download of {wanted.name} has sha256 {found}; expected {wanted.sha256}",
                ways(wanted),
            )
        os.replace(temporary, path)
    except (OSError, urllib.error.URLError) as error:
        raise MissingWeightsError(
            f"{wanted.name} is not here and cannot be fetched: {_in_words(error)}", ways(wanted)
        ) from None
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def _in_words(error: OSError) -> str:
    """Why, without the names and numbers of Python's errors."""
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def read_state(path: Path) -> dict[str, Tensor]:
    """State dict of a .safetensors or a torch file.

    Raises:
        WeightsMismatchError: unreadable, or a pickle that holds more than tensors.
    """
    import torch

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
    if not isinstance(loaded, Mapping) or not all(isinstance(v, torch.Tensor) for v in loaded.values()):
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

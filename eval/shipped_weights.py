"""Weight files of our own networks: float16 safetensors whose header carries the sha256 of the tensors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from torch import Tensor, nn

from eval.errors import MissingWeightsError, WeightsMismatchError

Net = TypeVar("Net", bound=nn.Module)

FOLDER = Path(__file__).parent / "weights"


def load_shipped(net: Net, path: Path, header: str, script: str) -> Net:
    """Fill a network, frozen, in eval mode and float32.

    Args:
        net: freshly made; what the file does not hold stays as it is.
        path: of the file.
        header: key of its JSON facts in the safetensors header.
        script: module that makes it anew.

    Raises:
        MissingWeightsError: there is no such file.
        WeightsMismatchError: unreadable, altered (its sha256 is in its own header) or of another network.
    """
    hint = f"reinstall the package, or make it anew with `python -m {script}`"
    if not path.exists():
        raise MissingWeightsError(f"{path.name} is missing from {path.parent.name}/", hint)
    try:
        with safe_open(path, "pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {}).get(header, "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:
        raise WeightsMismatchError(f"{path.name} cannot be read: {error}", hint) from None
    if facts.get("sha256") != tensors_sha256(state):
        raise WeightsMismatchError(f"{path.name} does not match its own sha256: the file is damaged", hint)
    try:
        net.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in state.items()})
    except RuntimeError as error:
        raise WeightsMismatchError(f"{path.name} is of another network: {str(error)[:200]}", hint) from None
    return net.eval().requires_grad_(False)


def tensors_sha256(state: dict[str, Tensor]) -> str:
    """sha256 over names, dtypes, shapes and bytes in the order of the names: same tensors, same hash."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()

"""Writing the weight files that `eval.shipped_weights` reads."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save
from torch import nn

from eval.perceptual import tensors_sha256
from fewshot.files import atomic_write_bytes


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

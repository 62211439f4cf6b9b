"""Attach a fresh PEFT adapter to a generator for training.

What PEFT 0.21 does, and why the methods are built as they are:

- `lora` puts `LoraConfig` on every convolution. InstanceNorm affines go through `modules_to_save`, which
  names only real InstanceNorm modules: the blocks also have an `nn.Identity` called `norm`.
- A `LoraConfig` without any target is refused, so `norm-only` and `full` are `LNTuningConfig`: it trains a
  copy of each targeted module, whatever its type, and merges exactly.
- A list of `target_modules` matches by suffix and would hit more than was meant; one regex string must
  match the whole name, so every module is spelled out in one.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Mapping
from typing import Any

from peft import LNTuningConfig, LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from torch import Tensor, nn

from fewshot.errors import UsageError

METHODS = ("lora", "norm-only", "full")

_LIVE = re.compile(r"\.modules_to_save\.[^.]+(?=\.)|(?<=\.lora_A)\.[^.]+(?=\.)|(?<=\.lora_B)\.[^.]+(?=\.)")
_LIVE_LN = re.compile(r"(?<=\.ln_tuning_layers)\.[^.]+(?=\.(?:weight|bias)$)")


def attach_adapter(
    netG_A: nn.Module,
    *,
    method: str,
    rank: int = 8,
    alpha: float = 8.0,
    train_norms: bool = True,
    base_sha256: str,
) -> PeftModel:
    """A copy of `netG_A` with a fresh adapter; only the adapter's parameters require a gradient.

    The copy draws exactly like `netG_A` until it is trained, and `netG_A` itself stays untouched. LoRA's
    first matrices are drawn from torch's global generator: seed it before.

    Args:
        netG_A: a base's photo-to-drawing generator; its `name_or_path` becomes the adapter's base id.
        method: `lora`, `norm-only` (InstanceNorm affines) or `full` (every convolution and affine).
        rank: rank of the LoRA updates; unused by the other methods.
        alpha: LoRA scale, the updates are multiplied by alpha / rank.
        train_norms: with `lora`, also train the InstanceNorm affines.
        base_sha256: `BaseModel.sha256`, stored as `revision` in the adapter's configuration.

    Raises:
        UsageError: an unknown method, or a generator without `name_or_path`.
    """
    if method not in METHODS:
        raise UsageError(f"unknown adapter method {method!r}", f"use one of {', '.join(METHODS)}")
    if not getattr(netG_A, "name_or_path", ""):
        raise UsageError(
            "the generator has no name_or_path, so its adapter could name no base",
            "load it with base_models.registry.create_model",
        )
    convolutions = [name for name, module in netG_A.named_modules() if isinstance(module, nn.Conv2d)]
    norms = [n for n, m in netG_A.named_modules() if isinstance(m, nn.InstanceNorm2d) and m.affine]
    config: LoraConfig | LNTuningConfig
    if method == "lora":
        config = LoraConfig(
            r=rank,
            lora_alpha=int(alpha) if float(alpha).is_integer() else alpha,
            target_modules=_one_regex(convolutions),
            modules_to_save=norms if train_norms else None,
            revision=base_sha256,
        )
    else:
        targets = norms if method == "norm-only" else convolutions + norms
        config = LNTuningConfig(target_modules=_one_regex(targets), revision=base_sha256)
    with warnings.catch_warnings():
        # LN tuning asks every layer for its in and out features, which an InstanceNorm has no words for.
        warnings.filterwarnings("ignore", message="Unsupported layer type")
        model = get_peft_model(copy.deepcopy(netG_A), config)
    return model


def adapter_state(model: PeftModel) -> dict[str, Tensor]:
    """The adapter's tensors under the names of `adapter_model.safetensors`, detached, on the CPU."""
    # The default would ask the hub whether the base has resized embeddings.
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


def saved_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """`state` with the names of a live PeftModel's parameters turned into those of the file.

    So a moving average over `model.named_parameters()` can be written as it is; names that are already the
    file's are kept.
    """
    return {_LIVE_LN.sub("", _LIVE.sub("", name)): value for name, value in state.items()}


def _one_regex(names: list[str]) -> str:
    return "|".join(re.escape(name) for name in names)

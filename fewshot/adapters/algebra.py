"""Strength, blending and merging over any adapter method: W = W₀ + Σ wᵢ·ΔWᵢ.

PEFT's own blending covers LoRA alone and leaves the InstanceNorm affines of `modules_to_save` at full
strength, so this is ours. The sum runs in float64 over adapters sorted by their hash: the order they were
named in does not matter, and an adapter of weight 0 leaves the base bit for bit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fewshot.adapters.adapter import CONFIG, WEIGHTS, Adapter
from fewshot.errors import IntegrityError

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel

_PREFIX = "base_model.model."
_LORA_A, _LORA_B, _COPY = ".lora_A.weight", ".lora_B.weight", ".ln_tuning_layers."

# LoRA variants whose update is not alpha / rank · B·A on an unchanged base; PEFT itself merges these.
_VARIANTS = (
    *("use_dora", "use_qalora", "use_bdlora", "fan_in_fan_out", "lora_bias", "rank_pattern", "alpha_pattern"),
    *("target_parameters", "layer_replication", "arrow_config", "kasa_config", "alora_invocation_tokens"),
)


def check_base(adapter: Adapter, base: BaseModel) -> None:
    """Raise IntegrityError when `adapter` was made for another base than `base`."""
    if adapter.base_sha256:
        if adapter.base_sha256 == base.sha256:
            return
    elif adapter.base_name == base.name:
        return
    wanted, got = _identity(adapter.base_name, adapter.base_sha256), _identity(base.name, base.sha256)
    if adapter.base_name == base.name:
        hint = (
            f"get the {base.name} it was trained on and pass its file with --base, or train the style again"
        )
    else:
        hint = f"use --base {adapter.base_name}, or train the style on {base.name}: fewshot adapt"
    raise IntegrityError(f"the style {adapter.name} belongs to the base {wanted}, not to {got}", hint)


def deltas(adapter: Adapter, base: BaseModel) -> dict[str, Tensor]:
    """What the adapter at full strength adds to each parameter of `base.netG_A` that it touches.

    Returns:
        parameter name → float64 tensor of the parameter's shape, on the CPU.

    Raises:
        IntegrityError: made for another base, or its tensors do not fit the base's.
    """
    check_base(adapter, base)
    parameters = {name: tensor.detach().cpu().double() for name, tensor in base.netG_A.named_parameters()}
    changes = (
        _direct(adapter, parameters) if _is_direct(adapter) else _merged_by_peft(adapter, base, parameters)
    )
    for name, change in changes.items():
        if (
            name not in parameters
            or change.shape != parameters[name].shape
            or not torch.isfinite(change).all()
        ):
            raise _misfit(adapter, name)
    return changes


def blend(base: BaseModel, styles: Sequence[tuple[Adapter, float]]) -> nn.Module:
    """A copy of `base.netG_A` with W = W₀ + Σ wᵢ·ΔWᵢ, in eval mode, no gradients.

    Raises:
        IntegrityError: an adapter of another base.
        ValueError: a weight that is not finite.
    """
    net = copy.deepcopy(base.netG_A).eval().requires_grad_(False)
    sums: dict[str, Tensor] = {}
    for adapter, weight in sorted(styles, key=lambda style: (style[0].sha256, style[1])):
        if not math.isfinite(weight):
            raise ValueError(f"the weight of {adapter.name} is {weight}, expected a finite number")
        check_base(adapter, base)
        if weight == 0:
            continue
        for name, change in deltas(adapter, base).items():
            sums[name] = sums[name] + weight * change if name in sums else weight * change
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name in sums:
                parameter.copy_(parameter.double().cpu() + sums[name])
    return net


def _is_direct(adapter: Adapter) -> bool:
    kind, config = adapter.config.get("peft_type"), adapter.config
    if kind == "LN_TUNING":
        return True
    plain = config.get("init_lora_weights", True) in (True, False, "gaussian", "orthogonal")
    plain = plain and config.get("bias", "none") == "none"
    return kind == "LORA" and plain and not any(config.get(key) for key in _VARIANTS)


def _direct(adapter: Adapter, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    state = {name.removeprefix(_PREFIX): tensor.double() for name, tensor in adapter.state.items()}
    changes = {}
    for name, tensor in state.items():
        if name.endswith(_LORA_A):
            module = name.removesuffix(_LORA_A)
            above = state.get(module + _LORA_B)
            if above is None or tensor.dim() != 4 or above.dim() != 4 or above.shape[1] != tensor.shape[0]:
                raise _misfit(adapter, name)
            update = torch.einsum("or,rikl->oikl", above[:, :, 0, 0], tensor)
            changes[f"{module}.weight"] = _scale(adapter) * update
        elif not name.endswith(_LORA_B):
            target = name.replace(_COPY, ".")
            if target not in parameters or parameters[target].shape != tensor.shape:
                raise _misfit(adapter, name)
            changes[target] = tensor - parameters[target]
    return changes


def _scale(adapter: Adapter) -> float:
    try:
        rank, alpha = int(adapter.config["r"]), float(adapter.config["lora_alpha"])
        return alpha / (math.sqrt(rank) if adapter.config.get("use_rslora") else rank)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        raise IntegrityError(
            f"{adapter.folder / CONFIG}: r and lora_alpha are no usable numbers", "copy the adapter again"
        ) from None


def _merged_by_peft(adapter: Adapter, base: BaseModel, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    from peft import PeftModel

    try:
        model = PeftModel.from_pretrained(copy.deepcopy(base.netG_A), str(adapter.folder))
        merged = model.merge_and_unload()
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{adapter.folder}: PEFT cannot put this adapter on {base.name} ({error!s:.120})",
            "train the style again: fewshot adapt",
        ) from None
    found = {name: tensor.detach().double() for name, tensor in merged.named_parameters()}
    return {name: found[name] - old for name, old in parameters.items() if not torch.equal(found[name], old)}


def _misfit(adapter: Adapter, name: str) -> IntegrityError:
    return IntegrityError(
        f"{adapter.folder / WEIGHTS}: the tensor {name} does not fit the base {adapter.base_name}",
        "copy the adapter again, or train the style again: fewshot adapt",
    )


def _identity(name: str, sha256: str) -> str:
    return f"{name} (sha256 {sha256[:12]}…)" if sha256 else name

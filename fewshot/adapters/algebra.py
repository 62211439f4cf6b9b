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

from fewshot.adapters.adapter import Adapter
from fewshot.adapters.files import CONFIG, WEIGHTS
from fewshot.adapters.formulas import FACTORS, ScaleError, change, has_formula
from fewshot.errors import IntegrityError

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel

_PREFIX = "base_model.model."
_COPY = ".ln_tuning_layers."


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
    by_formula = adapter.config.get("peft_type") == "LN_TUNING" or has_formula(adapter.config)
    changes = _direct(adapter, parameters) if by_formula else _merged_by_peft(adapter, base, parameters)
    for name, tensor in changes.items():
        known = name in parameters and tensor.shape == parameters[name].shape
        if not known or not torch.isfinite(tensor).all():
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
        for name, tensor in deltas(adapter, base).items():
            sums[name] = sums[name] + weight * tensor if name in sums else weight * tensor
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name in sums:
                parameter.copy_(parameter.double().cpu() + sums[name])
    return net


def _direct(adapter: Adapter, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """By formula: convolutions from their factors, everything else from the trained copy in the file."""
    endings = tuple(f".{name}" for name in FACTORS.get(str(adapter.config.get("peft_type")), ()))
    convolutions: dict[str, dict[str, Tensor]] = {}
    changes = {}
    for key, tensor in adapter.state.items():
        name = key.removeprefix(_PREFIX)
        if ending := next((ending for ending in endings if name.endswith(ending)), ""):
            convolutions.setdefault(name.removesuffix(ending), {})[ending[1:]] = tensor.double()
            continue
        target = name.replace(_COPY, ".")
        if target not in parameters or parameters[target].shape != tensor.shape:
            raise _misfit(adapter, name)
        changes[target] = tensor.double() - parameters[target]
    for module, factors in convolutions.items():
        name = f"{module}.weight"
        try:
            changes[name] = change(adapter.config, factors, parameters[name])
        except ScaleError as error:
            raise IntegrityError(f"{adapter.folder / CONFIG}: {error}", "copy the adapter again") from None
        except (KeyError, IndexError, ValueError, RuntimeError):
            raise _misfit(adapter, name) from None
    return changes


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

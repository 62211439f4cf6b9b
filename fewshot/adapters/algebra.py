"""Strength, blending and merging over any adapter method: W = W₀ + Σ wᵢ·ΔWᵢ.

PEFT's own blending covers LoRA alone and leaves the InstanceNorm affines of `modules_to_save` at full
strength, so this is ours. The sum runs in float64 over adapters sorted by their hash: the order they were
named in does not matter, and an adapter of weight 0 leaves the base bit for bit. Loads without torch, and
needs it only for adapters whose change has no formula here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fewshot.adapters.adapter import Adapter
from fewshot.adapters.files import CONFIG, WEIGHTS
from fewshot.adapters.formulas import FACTORS, ScaleError, change, has_formula
from fewshot.errors import IntegrityError

if TYPE_CHECKING:
    from base_models.arrays import BaseArrays
    from base_models.checkpoint import BaseModel

Changes = dict[str, NDArray[np.float64]]

_PREFIX = "base_model.model."
_COPY = ".ln_tuning_layers."


def check_base(adapter: Adapter, base: BaseModel | BaseArrays) -> None:
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


def deltas(adapter: Adapter, base: BaseArrays) -> Changes:
    """What the adapter at full strength adds to each parameter of the base that it touches.

    Returns:
        parameter name → array of the parameter's shape.

    Raises:
        IntegrityError: made for another base, or its tensors do not fit the base's.
    """
    check_base(adapter, base)
    by_formula = adapter.config.get("peft_type") == "LN_TUNING" or has_formula(adapter.config)
    changes = _direct(adapter, base) if by_formula else _merged_by_peft(adapter, base)
    for name, found in changes.items():
        known = name in base.parameters and found.shape == base.parameters[name].shape
        if not known or not np.isfinite(found).all():
            raise _misfit(adapter, name)
    return changes


def blend(base: BaseArrays, styles: Sequence[tuple[Adapter, float]]) -> dict[str, NDArray[np.float32]]:
    """W = W₀ + Σ wᵢ·ΔWᵢ for all parameters of the base.

    Raises:
        IntegrityError: an adapter of another base.
        ValueError: a weight that is not finite.
    """
    sums: Changes = {}
    for adapter, weight in sorted(styles, key=lambda style: (style[0].sha256, style[1])):
        if not math.isfinite(weight):
            raise ValueError(f"the weight of {adapter.name} is {weight}, expected a finite number")
        check_base(adapter, base)
        if weight == 0:
            continue
        for name, found in deltas(adapter, base).items():
            sums[name] = sums[name] + weight * found if name in sums else weight * found
    return {
        name: (parameter.astype(np.float64) + sums[name]).astype(np.float32) if name in sums else parameter
        for name, parameter in base.parameters.items()
    }


def _direct(adapter: Adapter, base: BaseArrays) -> Changes:
    """By formula: convolutions from their factors, everything else from the trained copy in the file."""
    endings = tuple(f".{name}" for name in FACTORS.get(str(adapter.config.get("peft_type")), ()))
    convolutions: dict[str, dict[str, NDArray[np.float64]]] = {}
    changes: Changes = {}
    for key, tensor in adapter.state.items():
        name = key.removeprefix(_PREFIX)
        if ending := next((ending for ending in endings if name.endswith(ending)), ""):
            factors = convolutions.setdefault(name.removesuffix(ending), {})
            factors[ending[1:]] = tensor.astype(np.float64)
            continue
        target = name.replace(_COPY, ".")
        if target not in base.parameters or base.parameters[target].shape != tensor.shape:
            raise _misfit(adapter, name)
        changes[target] = tensor.astype(np.float64) - base.parameters[target]
    for module, factors in convolutions.items():
        name = f"{module}.weight"
        try:
            changes[name] = change(adapter.config, factors, base.parameters[name].astype(np.float64))
        except ScaleError as error:
            raise IntegrityError(f"{adapter.folder / CONFIG}: {error}", "copy the adapter again") from None
        except (KeyError, IndexError, ValueError, np.linalg.LinAlgError):
            raise _misfit(adapter, name) from None
    return changes


def _merged_by_peft(adapter: Adapter, base: BaseArrays) -> Changes:
    from peft import PeftModel

    from base_models.checkpoint import network_of

    try:
        model = PeftModel.from_pretrained(network_of(base), str(adapter.folder))
        merged = model.merge_and_unload()
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{adapter.folder}: PEFT cannot put this adapter on {base.name} ({error!s:.120})",
            "train the style again: fewshot adapt",
        ) from None
    found = {name: tensor.detach().numpy() for name, tensor in merged.named_parameters()}
    return {
        name: found[name].astype(np.float64) - old
        for name, old in base.parameters.items()
        if not np.array_equal(found[name], old)
    }


def _misfit(adapter: Adapter, name: str) -> IntegrityError:
    return IntegrityError(
        f"{adapter.folder / WEIGHTS}: the tensor {name} does not fit the base {adapter.base_name}",
        "copy the adapter again, or train the style again: fewshot adapt",
    )


def _identity(name: str, sha256: str) -> str:
    return f"{name} (sha256 {sha256[:12]}…)" if sha256 else name

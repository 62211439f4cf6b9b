"""A base network with blended adapters in its weights, for torch."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from base_models.arrays import BaseArrays
from base_models.checkpoint import BaseModel, arrays_of, network_of
from base_models.scan import StackedGenerator
from fewshot.adapters.adapter import Adapter
from fewshot.adapters.algebra import blend


def merged(base: BaseModel | BaseArrays, styles: Sequence[tuple[Adapter, float]]) -> StackedGenerator:
    """`netG_A` with W = W₀ + Σ wᵢ·ΔWᵢ, in eval mode, no gradients; raises as `algebra.blend` does."""
    if isinstance(base, BaseModel):
        arrays, net = arrays_of(base), copy.deepcopy(base.netG_A).eval().requires_grad_(False)
    else:
        arrays, net = base, network_of(base)
    weights = blend(arrays, styles)
    net.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    return net

"""A base network with blended adapters in its weights, for torch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch

from base_models.arrays import BaseArrays
from base_models.checkpoint import BaseModel, arrays_of, network_of
from base_models.scan import StackedGenerator
from fewshot.adapters.adapter import Adapter
from fewshot.adapters.algebra import blend


def merged(base: BaseModel | BaseArrays, styles: Sequence[tuple[Adapter, float]]) -> StackedGenerator:
    """`netG_A` with W = W₀ + Σ wᵢ·ΔWᵢ, in eval mode, no gradients; raises as `algebra.blend` does."""
    if isinstance(base, BaseArrays):
        return network_of(replace(base, parameters=blend(base, styles)))
    net = copy.deepcopy(base.netG_A).eval().requires_grad_(False)
    weights = blend(arrays_of(base), styles)
    net.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    return net

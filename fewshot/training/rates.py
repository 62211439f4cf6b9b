"""The learning rates of an adaptation, step by step."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer

from recipes import Recipe

_PLACE = ".place."
_SOONER = 5.0
"""How many times as fast maps of what is where learn: they begin at zero, the others know much already."""


def grouped(net: nn.Module) -> list[dict[str, Any]]:
    """What is trained of a generator, for an optimizer whose rate `set_rate` sets."""
    trained = [(name, weight) for name, weight in net.named_parameters() if weight.requires_grad]
    groups = [
        {"params": [w for name, w in trained if (_PLACE in name) == placed], "times": times}
        for placed, times in ((False, 1.0), (True, _SOONER))
    ]
    return [group for group in groups if group["params"]]


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Give every group its multiple of a rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("times", 1.0)


def adapter_rate(recipe: Recipe, step: int) -> float:
    """Rises over `warmup_steps`, while a new discriminator knows nothing, and falls in the `cooldown`."""
    # A run that is shorter than its warm-up warms up for half of it.
    warm = min(1.0, (step + 1) / max(1, min(recipe.warmup_steps, recipe.steps // 2)))
    return recipe.lr * warm * _cool(recipe, step)


def discriminator_rate(recipe: Recipe, step: int) -> float:
    """Falls with the adapter's."""
    return recipe.lr_d * _cool(recipe, step)


def _cool(recipe: Recipe, step: int) -> float:
    return min(1.0, (recipe.steps - step) / max(1.0, recipe.cooldown * recipe.steps))

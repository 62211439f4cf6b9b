"""The learning rates of an adaptation, step by step."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer

from fewshot.training.position import Progressed
from recipes import Recipe

_PLACE = ".place."
_SOONER = 5.0
"""How many times as fast maps of what is where learn: they begin at zero, the others know much already."""


TIMED = 20
"""Steps after which the pace is known."""
_SURE = 0.93
"""Share of the time that is planned with: looks take some, and the machine may have other work."""


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


def steps_in_time(recipe: Recipe, at: Progressed, limit: float) -> int:
    """How many steps there are to be: the recipe's, or as many as the time is enough for at the pace so far.

    A run that the clock ends in the middle would end at its highest rate, which leaves blots.

    Args:
        at: `TIMED` steps or more.
        limit: seconds of the whole run.
    """
    fits = _SURE * limit * at.step / max(at.seconds, 1e-9)
    return recipe.steps if fits >= recipe.steps else max(int(fits), at.step + 1)


def adapter_rate(recipe: Recipe, step: int, last: int) -> float:
    """Rises over `warmup_steps`, while a new discriminator knows nothing, and falls in the `cooldown`.

    Args:
        last: steps that there are to be.
    """
    # A run that is shorter than its warm-up warms up for half of it.
    warm = min(1.0, (step + 1) / max(1, min(recipe.warmup_steps, recipe.steps // 2)))
    return recipe.lr * warm * _cool(recipe, step, last)


def discriminator_rate(recipe: Recipe, step: int, last: int) -> float:
    """Falls with the adapter's."""
    return recipe.lr_d * _cool(recipe, step, last)


def _cool(recipe: Recipe, step: int, last: int) -> float:
    return min(1.0, max(0.0, last - step) / max(1.0, recipe.cooldown * last))

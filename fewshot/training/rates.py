"""The learning rates of an adaptation, step by step."""

from __future__ import annotations

from recipes import Recipe


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

"""Fields that are set and do nothing beside others: told, since a trial of one may be a trial of several."""

from __future__ import annotations

from recipes.schema import Recipe


def idle_fields(recipe: Recipe) -> list[str]:
    """What of a recipe has no effect, a sentence each."""
    found = []
    matched = recipe.lambda_swd > 0 and recipe.swd_target == "matched" and recipe.by_parts
    even = [name for name in ("lambda_even", "lambda_flat") if getattr(recipe, name) > 0]
    if even and not matched:
        verb = "needs" if len(even) == 1 else "need"
        found.append(f"{' and '.join(even)} {verb} lambda_swd, swd_target=matched and by_parts=true")
    if recipe.d_start == "base" and not recipe.lambda_gan:
        found.append("d_start=base needs lambda_gan: there is no patch discriminator to start")
    if recipe.d_start == "base" and recipe.d_channels != Recipe.model_fields["d_channels"].default:
        found.append("d_channels needs d_start=scratch: the base's discriminator has its own width")
    return found

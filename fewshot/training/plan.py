"""`fewshot adapt --dry-run`: what would happen, and how long it takes on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from base_models.registry import create_model
from fewshot.data.style_set import StyleSet
from fewshot.home import base_folder, run_folder
from fewshot.output import format_seconds, notice, warn
from fewshot.training.adapt import warn_of_two_hands
from fewshot.training.adaptation import Adaptation
from recipes import Recipe, recipe_hash

_TIMED_STEPS = 2


def plan_adaptation(
    drawings: Path,
    *,
    name: str,
    base: str,
    recipe: Recipe,
    photos: Path | None,
    minutes: float | None,
    memory_limit: float | None = None,
) -> list[dict[str, Any]]:
    """Rows of (what, value); two real steps are timed, nothing is written.

    Raises:
        BadInputError, NotFoundError: as `fewshot adapt` would.
    """
    run = run_folder(name)
    model = create_model(base, folders=[base_folder()])
    style_set = StyleSet.from_folder(drawings, size=model.netG_A.size, crop=recipe.crop)
    for problem in style_set.problems:
        warn(problem.message)
    warn_of_two_hands(drawings, style_set)
    notice("timing two steps ...")
    job = Adaptation(style_set, model, recipe, photos, run, memory_limit=memory_limit)
    per_step = seconds_per_step(job)
    limit = 60 * (minutes or recipe.max_minutes)
    trainable = job.trainer.trainable
    fold = f"{len(job.train)} to train, {len(job.fold)} to validate" if job.fold else "all to train, no fold"
    sources = job.sources
    facts = {
        "style": name,
        "drawings": f"{len(style_set)} ({fold})",
        "photos": f"{len(sources.photos)} to train, {len(sources.held)} to validate; {sources.origin}",
        "base": f"{model.name} {model.sha256[:12]}, {model.netG_A.size} px",
        "recipe": f"{recipe.name} {recipe_hash(recipe)[:12]}, {recipe.method}",
        "parameters": f"{trainable:,}, at most {trainable * 4 / 1e6:.1f} MB",
        "device": f"{job.accelerator.device.type}, {job.accelerator.mixed_precision}",
        "at once": f"{job.trainer.batch.at_once} of {recipe.batch} pictures",
        "steps": f"at most {recipe.steps}, {per_step:.2f} s each",
        "time": f"at most {format_seconds(min(limit, recipe.steps * per_step))}",
        "writes": f"{run}" + (" (exists: needs --overwrite)" if (run / "adapter").exists() else ""),
    }
    return [{"what": key, "value": value} for key, value in facts.items()]


def seconds_per_step(job: Adaptation) -> float:
    """Of real steps; the first one, which makes itself at home, is not counted."""
    job.trainer.step(0)
    start = time.monotonic()
    for step in range(_TIMED_STEPS):
        job.trainer.step(step + 1)
    return (time.monotonic() - start) / _TIMED_STEPS

"""`fewshot select --dry-run`: what would be tried, and about how long it takes on this machine."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fewshot.errors import BadInputError, OutOfMemoryError
from fewshot.home import run_folder
from fewshot.output import format_seconds, notice, warn
from fewshot.selection.preparing import Prepared
from fewshot.selection.rungs import next_bracket, rung_steps, survivors
from fewshot.selection.winner import is_taken
from fewshot.training.adaptation import Adaptation
from fewshot.training.plan import seconds_per_step
from recipes import Recipe


@dataclass(frozen=True)
class _Cost:
    """Seconds of a recipe on one fold."""

    start: float
    """Until the first step, and again at each rung."""
    step: float
    """Of a step."""
    look: float
    """Of a look at the validation photos."""

    def training(self, recipe: Recipe, steps: int) -> float:
        """Of so many steps, with their looks."""
        return min(60 * recipe.max_minutes, steps * self.step + steps / recipe.eval_every * self.look)


def plan_study(ready: Prepared) -> list[dict[str, Any]]:
    """Rows of (what, value); two steps and a look of each recipe are timed, nothing is written.

    Raises:
        BadInputError: no recipe can be trained.
    """
    space, bench, limits = ready.space, ready.bench, ready.limits
    request = ready.request
    notice(f"timing {len(space.recipes)} recipes ...")
    costs = _costs(ready)
    kept = [None if part is None else len(part) for _, part in bench.folds]
    folds = "no folds" if kept[0] is None else f"folds of {', '.join(map(str, kept))}"
    knobs = ", ".join(knob.name for knob in space.knobs)
    facts = {
        "study": ready.title,
        "drawings": f"{len(bench.drawings)} ({folds})",
        "base": f"{ready.base.name} {ready.base.sha256[:12]}, {ready.base.netG_A.size} px",
        "trials": f"{limits.trials}" + (f" (recipes as they are, then other {knobs})" if knobs else ""),
    }
    for label, recipe in space.recipes.items():
        steps = " → ".join(map(str, dict.fromkeys(rung_steps(recipe, limits.rungs))))
        facts[f"recipe {label}"] = f"{steps} steps, " + (
            f"{costs[label].step:.2f} s each" if label in costs else "cannot be trained on this base"
        )
    seconds = _of_all_trials(ready, costs)
    limit = math.inf if limits.minutes is None else 60 * limits.minutes
    facts["time"] = f"about {format_seconds(min(seconds, limit))} by one process, from the start"
    if seconds > limit:
        facts["time"] += f" (without --minutes: {format_seconds(seconds)})"
    if request.retrain:
        run = run_folder(request.name)
        longest = max(cost.training(space.recipes[la], space.recipes[la].steps) for la, cost in costs.items())
        in_the_way = is_taken(run) and not request.overwrite
        taken = " (exists: needs --overwrite unless this study made it)" if in_the_way else ""
        facts["then"] = (
            f"{request.name} with the winner, about {format_seconds(longest)} at most, in {run}{taken}"
        )
    facts["writes"] = f"{ready.folder}" + (
        " (exists: goes on if it is about the same)" if ready.folder.exists() else ""
    )
    return [{"what": key, "value": value} for key, value in facts.items()]


def _costs(ready: Prepared) -> dict[str, _Cost]:
    """Of the recipes that can be trained, by label."""
    costs, problems = {}, []
    for label, recipe in ready.space.recipes.items():
        try:
            costs[label] = _timed(ready, recipe)
        except OutOfMemoryError:
            # Of this moment, not of the recipe.
            raise
        except BadInputError as error:
            problems.append(str(error))
            warn(f"{label}: {error}")
    if not costs:
        raise BadInputError(f"no recipe could be trained: {problems[0]}", "see `fewshot recipes ls`")
    return costs


def _timed(ready: Prepared, recipe: Recipe) -> _Cost:
    bench, began = ready.bench, time.monotonic()
    job = Adaptation(
        *(bench.drawings, copy.deepcopy(ready.base), recipe, bench.photos, ready.folder / "dry-run"),
        parts=bench.folds[0],
        memory_limit=bench.memory_limit,
    )
    loaded = time.monotonic() - began
    per_step = seconds_per_step(job)
    began = time.monotonic()
    job.validation.score(0, job.trainer.redraw(job.sources.held))
    look = time.monotonic() - began
    return _Cost(loaded + look, per_step, look)


def _of_all_trials(ready: Prepared, costs: Mapping[str, _Cost]) -> float:
    """Seconds of every bracket: trials that are sampled cost what the recipes do in the mean."""
    recipes = [(ready.space.recipes[label], cost) for label, cost in costs.items()]
    total = 0.0
    for count in _brackets(len(ready.space.written()), ready.limits.trials):
        for alive, rung in _alive(count, ready.limits.rungs):
            each = statistics.mean(
                _of_rung(recipe, cost, ready.limits.rungs, rung) for recipe, cost in recipes
            )
            total += alive * len(ready.bench.folds) * each
    return total


def _of_rung(recipe: Recipe, cost: _Cost, rungs: int, rung: int) -> float:
    steps = (0, *rung_steps(recipe, rungs))
    if steps[rung + 1] == steps[rung]:
        return 0.0
    return cost.start + cost.training(recipe, steps[rung + 1]) - cost.training(recipe, steps[rung])


def _brackets(written: int, trials: int) -> Iterator[int]:
    """How many trials are compared with each other, bracket by bracket."""
    asked = 0
    while count := next_bracket(asked, written, trials):
        yield count
        asked += count


def _alive(count: int, rungs: int) -> Sequence[tuple[int, int]]:
    """How many trials are trained to each rung."""
    alive = []
    for rung in range(rungs):
        alive.append((count, rung))
        count = survivors(count)
    return alive

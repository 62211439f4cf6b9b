"""A study before anything is trained: everything that was asked for, read and found to fit together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from base_models.checkpoint import BaseModel
from base_models.registry import create_model
from fewshot.data.set_problems import FEW
from fewshot.data.style_set import StyleSet
from fewshot.errors import UsageError
from fewshot.home import base_folder, check_name, home, recipes_folder
from fewshot.output import notice, warn
from fewshot.selection.folds import make_folds
from fewshot.selection.request import Request
from fewshot.selection.space import Space, make_space
from fewshot.selection.study import Limits
from fewshot.selection.trial import Bench
from fewshot.training.adapt import warn_of_two_hands
from fewshot.training.tracking import check_trackers


@dataclass(frozen=True)
class Prepared:
    """A study before anything is trained: what was asked for fits together."""

    request: Request
    """What was asked for."""
    title: str
    """Its name."""
    folder: Path
    """Where it is or will be."""
    base: BaseModel
    """What is adapted."""
    space: Space
    """What is tried."""
    bench: Bench
    """What it is tried on."""
    limits: Limits
    """How much is tried."""


def prepare(request: Request) -> Prepared:
    """Read everything that a study needs; the errors are those of `select_recipe`."""
    if request.retrain and not request.name:
        raise UsageError(
            "the winner's style has no name", "add --name, such as --name mine, or compare with --no-retrain"
        )
    if request.retrain:
        check_name(request.name)
    drawings = request.drawings
    model = create_model(request.base, folders=[base_folder()])
    # Only the choice of default recipes asks, and has to before it is known how drawings are cut.
    few = not request.recipes and len(StyleSet.from_folder(drawings, size=32)) < FEW
    space = make_space(
        request.recipes, request.knobs, request.overrides, few=few, user_folder=recipes_folder()
    )
    style_set = StyleSet.from_folder(drawings, size=model.netG_A.size, crop=space.crop())
    for problem in style_set.problems:
        warn(problem.message)
    warn_of_two_hands(drawings, style_set)
    limits = Limits(
        rungs=1 if request.exhaustive else request.rungs,
        trials=_trials(request.trials, space, request.exhaustive),
        minutes=request.minutes,
        exhaustive=request.exhaustive,
        content_share=request.content,
        seed=request.seed,
    )
    told = check_trackers(request.track)
    parts = make_folds(style_set, request.folds, request.seed)
    bench = Bench(style_set, parts, request.base, request.photos, told, request.memory_limit)
    _say_folds(bench, request.folds)
    default = re.sub(r"[^\w.-]+", "-", style_set.name).strip("-.")
    title = check_name(request.study or request.name or default, "study")
    return Prepared(request, title, home() / "studies" / title, model, space, bench, limits)


def _trials(asked: int | None, space: Space, exhaustive: bool) -> int:
    fixed = len(space.grid() if exhaustive else space.written())
    most = fixed if exhaustive or not space.knobs else fixed + 9
    if asked is None:
        return most
    if asked < fixed:
        raise UsageError(
            f"--trials {asked}, but {fixed} are needed to try every recipe once",
            f"use --trials {fixed}, or name fewer with --recipes",
        )
    if asked > most and not space.knobs:
        raise UsageError(
            f"--trials {asked}, but there are only {fixed} recipes", "add what to vary: --knob lr=3e-4..3e-3"
        )
    return fixed if exhaustive else asked


def _say_folds(bench: Bench, asked: int) -> None:
    if bench.folds[0][1] is None:
        warn(f"{len(bench.drawings)} drawings have no folds: scored against the same drawings, mirrored")
    elif len(bench.folds) != asked:
        notice(f"{len(bench.drawings)} drawings make {len(bench.folds)} folds of two or more")

"""`select_recipe`: from a folder of drawings to the recipe that suits them, with the reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.framings import JUDGED
from fewshot.data.packs import load_pack
from fewshot.errors import BadInputError
from fewshot.output import notice
from fewshot.selection.choice import Choice, recommend
from fewshot.selection.compare import Comparison
from fewshot.selection.preparing import prepare
from fewshot.selection.record import write_record
from fewshot.selection.report import write_report
from fewshot.selection.request import Request
from fewshot.selection.space import Space
from fewshot.selection.storage import open_store
from fewshot.selection.study import Limits, Study
from fewshot.selection.trial import Bench
from fewshot.selection.tried import Tried, comparable
from fewshot.selection.winner import check_name_is_free, train_winner
from fewshot.selection.work import Work
from recipes import Recipe, recipe_hash

_MOST_PHOTOS = 2000


@dataclass(frozen=True)
class Selection:
    """What a study found."""

    study: str
    """Its name."""
    folder: Path
    """Where it is, with `study.json` and `report.html`."""
    tried: tuple[Tried, ...]
    """All trials."""
    choice: Choice
    """The recommended one, the Pareto set, and the reason."""
    recipe: Recipe
    """The recommended recipe, knobs included."""
    adapter: Path | None
    """The winner's adapter folder; None where it was not trained."""

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"


def select_recipe(request: Request) -> Selection:
    """Try recipes on folds of the drawings, prune the poor ones, recommend one, and train it on all drawings.

    Raises:
        UsageError, RecipeError: what was asked for does not fit together.
        NotFoundError, BadInputError: drawings, photos or the database cannot be used, or the minutes ended
            before any recipe was scored.
        ConflictError: the style exists, or the study is about something else.
        Interrupted: Ctrl-C; the same call goes on.
    """
    ready = prepare(request)
    title, folder, space, bench = ready.title, ready.folder, ready.space, ready.bench
    settings = _settings(bench, ready.base.sha256, space, ready.limits)
    store = open_store(folder, title, request.db)
    try:
        study = Study(title, store, space, len(bench.folds), ready.limits, settings)
        if request.retrain:
            check_name_is_free(request, study)
        Work(study, bench, folder).run()
        found = _choose(study, bench)
        recipe = space.recipe(next(t.params for t in study.tried() if t.number == found.number))
        write_record(folder, study, found)
        write_report(folder, study, found, Comparison(store, bench))
        notice(f"recommended: {found.reason}")
        adapter = train_winner(request, recipe, study) if request.retrain else None
        return Selection(title, folder, tuple(study.tried()), found, recipe, adapter)
    finally:
        store.close()


def _choose(study: Study, bench: Bench) -> Choice:
    tried = {one.number: one for one in comparable(study.tried())}
    candidates = [c for one in tried.values() if (c := one.candidate(study.limits.content_share))]
    if not candidates:
        problems = [one.problem for one in study.tried() if one.problem]
        if problems:
            raise BadInputError(f"no recipe could be trained: {problems[0]}", "see `fewshot recipes ls`")
        raise BadInputError(
            f"{study.limits.minutes:g} minutes were over before any recipe was scored on all folds",
            "repeat the command with more --minutes: it goes on from there",
        )
    comparison = Comparison(study.store, bench)
    last = study.limits.rungs - 1
    return recommend(candidates, lambda a, b: comparison.tied(tried[a.number], tried[b.number]), last)


def _settings(bench: Bench, base: str, space: Space, limits: Limits) -> dict[str, Any]:
    photos = None
    if bench.photos is not None:
        pixels = load_pack(bench.photos, bench.drawings.size, limit=_MOST_PHOTOS).pixels
        photos = hashlib.sha256(pixels.tobytes()).hexdigest()
    return {
        "judge": JUDGED,
        "drawings": sorted(bench.drawings.hashes),
        "base": base,
        "photos": photos,
        "folds": len(bench.folds),
        "rungs": limits.rungs,
        "recipes": {label: recipe_hash(recipe) for label, recipe in space.recipes.items()},
        "knobs": [repr(knob) for knob in space.knobs],
        "exhaustive": limits.exhaustive,
        "content": limits.content_share,
        "seed": limits.seed,
    }

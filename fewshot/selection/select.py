"""`select_recipe`: from a folder of drawings to the recipe that suits them, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.framings import JUDGED
from fewshot.consent import UNKNOWN, Consent
from fewshot.data.packs import load_pack
from fewshot.errors import BadInputError
from fewshot.home import check_name
from fewshot.output import notice
from fewshot.selection.choice import Choice, recommend
from fewshot.selection.compare import Comparison
from fewshot.selection.preparing import prepare
from fewshot.selection.record import write_record
from fewshot.selection.report import write_report
from fewshot.selection.space import Space
from fewshot.selection.storage import open_store
from fewshot.selection.study import Limits, Study
from fewshot.selection.trial import Bench
from fewshot.selection.tried import Tried
from fewshot.selection.winner import Style, check_name_is_free, train_winner
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


def select_recipe(
    drawings: Path,
    *,
    name: str = "",
    study: str = "",
    base: str = "scan_128.anime",
    recipes: Sequence[str] = (),
    knobs: Sequence[str] = (),
    overrides: Sequence[str] = (),
    photos: Path | None = None,
    folds: int = 3,
    rungs: int = 3,
    trials: int | None = None,
    minutes: float | None = None,
    exhaustive: bool = False,
    content: float = 0.8,
    db: str | None = None,
    retrain: bool = True,
    overwrite: bool = False,
    seed: int = 0,
    licence: str = "unknown",
    consent: Consent = UNKNOWN,
    track: Sequence[str] = (),
    memory_limit: float | None = None,
) -> Selection:
    """Try recipes on folds of the drawings, prune the poor ones, recommend one, and train it on all drawings.

    Args:
        drawings: folder of 1 to 60 drawings.
        name: of the winner's style; needed unless `retrain` is false.
        study: name under `FEWSHOT_HOME/studies/`; default: the style's, else the folder's.
        base: registered base, or a file.
        recipes: names or files; default: those that are meant for artists.
        knobs: what to vary, such as `lr=3e-4..3e-3` or `rank=4,8,16`.
        overrides: `key=value` for every recipe.
        photos: folder or archive of photos; a part of them is kept for scoring. Default: rendered ones.
        folds: of the drawings; fewer where there are fewer than two drawings for each.
        rungs: how often trials are compared and pruned.
        trials: in all; default: every recipe as it is written, and nine more where there are knobs.
        minutes: of training and scoring over all processes and calls, the winner's training not included.
        exhaustive: train every recipe on every fold to the end.
        content: share of what the base keeps of the photos' content that a recipe has to keep, 0..1.
        db: PostgreSQL URL, for several machines; default: a journal file.
        retrain: train the winner on all drawings.
        overwrite: replace a style of that name.
        seed: of folds and sampler; training has the recipes' own.
        licence, consent: written into the winner's adapter.
        track: `wandb`, `tensorboard` or both, for every training.
        memory_limit: bytes that each training may take; None: what is free.

    Raises:
        UsageError, RecipeError: what was asked for does not fit together.
        NotFoundError, BadInputError: drawings, photos or the database cannot be used, or the minutes ended
            before any recipe was scored.
        ConflictError: the style exists, or the study is about something else.
        Interrupted: Ctrl-C; the same call goes on.
    """
    ready = prepare(
        drawings,
        name=name,
        study=study,
        base=base,
        recipes=recipes,
        knobs=knobs,
        overrides=overrides,
        photos=photos,
        folds=folds,
        rungs=rungs,
        trials=trials,
        minutes=minutes,
        exhaustive=exhaustive,
        content=content,
        retrain=retrain,
        seed=seed,
        track=track,
        memory_limit=memory_limit,
    )
    title, folder, space, bench = ready.title, ready.folder, ready.space, ready.bench
    told = bench.track
    settings = _settings(bench, ready.base.sha256, space, ready.limits)
    store = open_store(folder, title, db)
    try:
        one = Study(title, store, space, len(bench.folds), ready.limits, settings)
        style = (
            Style(check_name(name), drawings, base, photos, overwrite, licence, consent, told, memory_limit)
            if retrain
            else None
        )
        if style is not None:
            check_name_is_free(style, one)
        Work(one, bench, folder).run()
        found = _choose(one, bench)
        recipe = space.recipe(next(t.params for t in one.tried() if t.number == found.number))
        write_record(folder, one, found)
        write_report(folder, one, found, Comparison(store, bench))
        notice(f"recommended: {found.reason}")
        adapter = train_winner(style, recipe, one) if style is not None else None
        return Selection(title, folder, tuple(one.tried()), found, recipe, adapter)
    finally:
        store.close()


def _choose(study: Study, bench: Bench) -> Choice:
    tried = {one.number: one for one in study.tried()}
    candidates = [c for one in tried.values() if (c := one.candidate(study.limits.content_share))]
    if not candidates:
        problems = [one.problem for one in tried.values() if one.problem]
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

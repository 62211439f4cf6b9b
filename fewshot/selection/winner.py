"""The recommended recipe, trained on all drawings by the code of `fewshot adapt`."""

from __future__ import annotations

from pathlib import Path

from fewshot.adapters.files import read_files
from fewshot.errors import ConflictError
from fewshot.home import run_folder
from fewshot.output import notice
from fewshot.selection.request import Request
from fewshot.selection.storage import WINNER
from fewshot.selection.study import Study
from fewshot.training.adapt import adapt_style
from fewshot.training.launch import take_all
from fewshot.training.runs import is_unfinished
from recipes import Recipe, recipe_hash

_NOTE = "winner"


def check_name_is_free(request: Request, study: Study) -> None:
    """Refuse before the study what `train_winner` would refuse after it.

    Raises:
        ConflictError: a style of that name exists, and this study did not make it.
    """
    run = run_folder(request.name)
    if is_taken(run) and not (request.overwrite or _is_ours(request.name, study)):
        raise ConflictError(
            f"there is a style or an unfinished run {request.name!r} already, in {run}",
            "choose another --name, add --overwrite, or compare only, with --no-retrain",
        )


def is_taken(run: Path) -> bool:
    """Whether a run folder holds a style, or one that was begun."""
    return (run / "adapter").exists() or is_unfinished(run)


def train_winner(request: Request, recipe: Recipe, study: Study) -> Path | None:
    """Train the recipe on all drawings, or find what an earlier call trained; the adapter folder.

    None where another process of the study is training it.

    Raises:
        ConflictError: as `adapt_style`.
        Interrupted: Ctrl-C; the same command goes on.
    """
    if not study.store.claim(WINNER):
        notice(f"another process is training {request.name} with the winner")
        return None
    try:
        run = run_folder(request.name)
        made = {"name": request.name, "recipe": recipe_hash(recipe)}
        ours = _is_ours(request.name, study)
        again = ours and study.note(_NOTE) == made
        if again and (run / "adapter").exists():
            notice(f"{request.name} was trained with the winner already")
            return run / "adapter"
        study.note(_NOTE, made)
        notice(f"training {request.name} on all drawings with {recipe.name}")
        # The trials are over, and with them the processes that shared this machine.
        take_all()
        outcome = adapt_style(
            request.drawings,
            name=request.name,
            base=request.base,
            recipe=recipe,
            photos=request.photos,
            resume=again and is_unfinished(run),
            overwrite=request.overwrite or ours,
            licence=request.licence,
            consent=request.consent,
            track=request.track,
            memory_limit=request.memory_limit,
        )
        return outcome.adapter
    finally:
        study.store.release(WINNER)


def _is_ours(name: str, study: Study) -> bool:
    """Whether an earlier call of this study made what stands under that name, or had begun to."""
    noted = study.note(_NOTE) or {}
    if noted.get("name") != name:
        return False
    run = run_folder(name)
    if not (run / "adapter").exists():
        return True
    record = read_files(run / "adapter").record
    made_from = (record.get("recipe") or {}).get("hash"), sorted(record.get("references") or [])
    return made_from == (noted["recipe"], study.settings["drawings"])

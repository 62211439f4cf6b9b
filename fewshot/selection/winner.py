"""The recommended recipe, trained on all drawings by the code of `fewshot adapt`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fewshot.adapters.files import read_files
from fewshot.consent import UNKNOWN, Consent
from fewshot.errors import ConflictError
from fewshot.home import run_folder
from fewshot.output import notice
from fewshot.selection.storage import WINNER
from fewshot.selection.study import Study
from fewshot.training.adapt import adapt_style
from fewshot.training.launch import take_all
from fewshot.training.runs import is_unfinished
from recipes import Recipe, recipe_hash

_NOTE = "winner"


@dataclass(frozen=True)
class Style:
    """How the winner becomes a style; the words of `fewshot adapt`."""

    name: str
    """Of the style."""
    drawings: Path
    """Folder of all drawings."""
    base: str
    """Base model."""
    photos: Path | None = None
    """Photos to learn on."""
    overwrite: bool = False
    """Replace a style of that name."""
    licence: str = "unknown"
    """Of the drawings."""
    consent: Consent = UNKNOWN
    """The artist's."""
    track: tuple[str, ...] = ()
    """Trackers that its training tells."""
    memory_limit: float | None = None
    """Bytes that it may take; None: what is free."""


def check_name_is_free(style: Style, study: Study) -> None:
    """Refuse before the study what `train_winner` would refuse after it.

    Raises:
        ConflictError: a style of that name exists, and this study did not make it.
    """
    run = run_folder(style.name)
    if is_taken(run) and not (style.overwrite or _is_ours(style.name, study)):
        raise ConflictError(
            f"there is a style or an unfinished run {style.name!r} already, in {run}",
            "choose another --name, add --overwrite, or compare only, with --no-retrain",
        )


def is_taken(run: Path) -> bool:
    """Whether a run folder holds a style, or one that was begun."""
    return (run / "adapter").exists() or is_unfinished(run)


def train_winner(style: Style, recipe: Recipe, study: Study) -> Path | None:
    """Train the recipe on all drawings, or find what an earlier call trained; the adapter folder.

    None where another process of the study is training it.

    Raises:
        ConflictError: as `adapt_style`.
        Interrupted: Ctrl-C; the same command goes on.
    """
    if not study.store.claim(WINNER):
        notice(f"another process is training {style.name} with the winner")
        return None
    try:
        run = run_folder(style.name)
        made = {"name": style.name, "recipe": recipe_hash(recipe)}
        ours = _is_ours(style.name, study)
        again = ours and study.note(_NOTE) == made
        if again and (run / "adapter").exists():
            notice(f"{style.name} was trained with the winner already")
            return run / "adapter"
        study.note(_NOTE, made)
        notice(f"training {style.name} on all drawings with {recipe.name}")
        # The trials are over, and with them the processes that shared this machine.
        take_all()
        outcome = adapt_style(
            style.drawings,
            name=style.name,
            base=style.base,
            recipe=recipe,
            photos=style.photos,
            resume=again and is_unfinished(run),
            overwrite=style.overwrite or ours,
            licence=style.licence,
            consent=style.consent,
            track=style.track,
            memory_limit=style.memory_limit,
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

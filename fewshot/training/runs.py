"""Whether a run may begin, by what its folder holds. Loads without torch: a mistake is told at once."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from base_models.registry import check_model
from fewshot.data.pictures import list_pictures, spelling
from fewshot.errors import ConflictError, NotFoundError
from fewshot.home import base_folder, run_folder
from fewshot.training.tracking import check_trackers


def state_file(run: Path) -> Path:
    """What a run that was interrupted goes on from."""
    return run / "state" / "state.pt"


def state_before(path: Path) -> Path:
    """The state that was saved before the one at `path`."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


def has_state(path: Path) -> bool:
    """Whether a state was saved there, this one or the one before."""
    return path.exists() or state_before(path).exists()


def is_unfinished(run: Path) -> bool:
    """Whether a run was interrupted, and can be gone on with."""
    return has_state(state_file(run))


def is_finished(run: Path) -> bool:
    """Whether a run left a style behind, and nothing to go on with."""
    made = all((run / name).exists() for name in ("adapter", "metrics.json"))
    return made and not is_unfinished(run)


def check_request(
    drawings: Path,
    name: str,
    *,
    base: str,
    photos: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    track: Sequence[str] = (),
) -> None:
    """Refuse early the commonest of what `adapt_style` refuses once all that trains is loaded.

    Raises:
        NotFoundError, BadInputError: no folder with pictures in it; no photos; no such run to go on with.
        CheckpointError: no such base.
        UsageError: no name for a style; an unknown tracker, or one that is not installed.
        ConflictError: the run exists.
    """
    run = run_folder(name)
    check_trackers(track)
    if resume and is_finished(run):
        return
    may_replace(run, resume=resume, overwrite=overwrite)
    list_pictures(drawings)
    check_model(base, [base_folder()])
    if photos is not None and not photos.exists():
        raise NotFoundError(f"{photos} does not exist", spelling(photos))
    if resume and not run.exists():
        begun = sorted(path.name for path in run.parent.glob("*") if is_unfinished(path))
        near = difflib.get_close_matches(run.name, begun, n=1)
        raise NotFoundError(
            f"there is no run {run.name!r} to go on with",
            f"did you mean {near[0]}?" if near else "leave --resume out to begin one",
        )


def may_replace(run: Path, *, resume: bool, overwrite: bool) -> bool:
    """Whether a style that is there may be replaced.

    Raises:
        ConflictError: there is a style, or an unfinished run, and nobody said so.
    """
    unfinished = is_unfinished(run)
    # Whoever began the unfinished run was allowed to replace what is there, or was ended just after that.
    allowed = overwrite or (resume and unfinished)
    if (run / "adapter").exists() and not allowed:
        raise ConflictError(
            f"there is a style {run.name!r} already, in {run}", "choose another --name, or add --overwrite"
        )
    if unfinished and not allowed:
        raise ConflictError(
            f"there is an unfinished run {run.name!r} in {run}",
            "add --resume to go on, or --overwrite to start anew",
        )
    return allowed

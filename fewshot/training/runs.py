"""Where a run keeps what, and whether it may begin. Loads without torch: a mistake is told at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fewshot.data.pictures import list_pictures
from fewshot.errors import ConflictError
from fewshot.home import run_folder
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


def check_request(
    drawings: Path, name: str, *, resume: bool = False, overwrite: bool = False, track: Sequence[str] = ()
) -> None:
    """Refuse what `adapt_style` would refuse, before what trains is loaded.

    Raises:
        NotFoundError, BadInputError: no folder with pictures in it.
        UsageError: an unknown tracker, or one that is not installed.
        ConflictError: the run exists.
    """
    run = run_folder(name)
    check_trackers(track)
    if resume and is_finished(run):
        return
    check_run_is_free(run, resume=resume, overwrite=overwrite)
    list_pictures(drawings)


def is_finished(run: Path) -> bool:
    """Whether a run left a style behind, and nothing to go on with."""
    return all((run / made).exists() for made in ("adapter", "metrics.json")) and not has_state(
        state_file(run)
    )


def check_run_is_free(run: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse to replace a style, or an unfinished run, that nobody said to replace.

    Raises:
        ConflictError: there is one.
    """
    unfinished = has_state(state_file(run))
    # Whoever began the unfinished run was allowed to replace what is there, or was ended just after that.
    if (run / "adapter").exists() and not (overwrite or (resume and unfinished)):
        raise ConflictError(
            f"there is a style {run.name!r} already, in {run}", "choose another --name, or add --overwrite"
        )
    if unfinished and not (resume or overwrite):
        raise ConflictError(
            f"there is an unfinished run {run.name!r} in {run}",
            "add --resume to go on, or --overwrite to start anew",
        )

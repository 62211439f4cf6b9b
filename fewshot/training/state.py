"""Resumable training state: files written atomically, with checksums that are verified on loading.

The state before is kept beside the newest one. A file that was damaged (a disk that failed, a copy that was
cut) then costs the steps between the two, and not the run.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from fewshot.errors import ConflictError, IntegrityError
from fewshot.files import temporary_beside
from fewshot.output import warn
from fewshot.training.runs import state_before

_DIGEST = 32


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dicts; what was there becomes the state before.

    Raises:
        BadInputError: the disk is full or the folder cannot be written to; both states stay as they were.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    with temporary_beside(path) as temporary:
        with temporary.open("wb") as handle:
            handle.write(hashlib.sha256(data).digest() + data)
            handle.flush()
            os.fsync(handle.fileno())
        if path.exists():
            os.replace(path, state_before(path))


def load_state(
    path: Path, fits: Callable[[dict[str, Any]], bool] = lambda state: True
) -> dict[str, Any] | None:
    """The newest saved state that is whole, all tensors on the CPU, or None where there is none.

    Args:
        path: as it was saved to.
        fits: which states are wanted: one that goes with another file.

    Raises:
        IntegrityError: the file was altered or cut, and the one before as well, or there is none.
    """
    damaged: list[Path] = []
    for file in (path, state_before(path)):
        if not file.exists():
            continue
        state = _read(file)
        if state is None:
            damaged.append(file)
            continue
        if not fits(state):
            continue
        if damaged:
            warn(f"{path} is damaged; going on from the state before it")
        return state
    if damaged:
        names = " and ".join(map(str, damaged))
        raise IntegrityError(
            f"{names}: damaged, as the checksum says", f"delete {names} to start this run anew"
        )
    return None


def check_same(
    run: Path, state: Mapping[str, Any], settings: Mapping[str, Any], recipe: Mapping[str, Any]
) -> None:
    """Refuse to go on with what was begun with other pictures, another base or another recipe.

    Args:
        run: folder of the run.
        state: its saved state: `settings` and `recipe` as they were.
        settings, recipe: as they are now.

    Raises:
        ConflictError: they differ; it says in what.
    """
    changed = [key for key, value in settings.items() if state["settings"].get(key) != value]
    if not changed:
        return
    before = state.get("recipe", {})
    values = [
        f"{key}={before[key]} (now {recipe[key]})"
        for key in recipe
        if before.get(key, recipe[key]) != recipe[key]
    ]
    told = ["other " + key for key in changed if key != "recipe" or not values]
    raise ConflictError(
        f"the unfinished run in {run} was begun with {', '.join([*told, *values])}",
        "repeat the first command with --resume, or start over with --overwrite",
    )


@contextmanager
def restoring(run: Path, hint: str) -> Iterator[None]:
    """A state that is whole but does not fit what this version trains is told as such, with a hint.

    Raises:
        ConflictError: parts are missing, or have other shapes.
    """
    try:
        yield
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ConflictError(
            f"the unfinished run in {run} was saved by another version of fewshot ({error!s:.80})",
            hint,
        ) from error


def clear_state(path: Path) -> None:
    """Remove it: the run is done."""
    for file in (path, state_before(path)):
        file.unlink(missing_ok=True)


def _read(file: Path) -> dict[str, Any] | None:
    data = file.read_bytes()
    if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
        return None
    return torch.load(io.BytesIO(data[_DIGEST:]), map_location="cpu", weights_only=True)

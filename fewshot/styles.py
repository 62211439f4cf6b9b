"""From the words after `--style` to a verified adapter: weights, paths and names of runs."""

from __future__ import annotations

import contextlib
import difflib
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.consent import Consent, require
from fewshot.errors import NotFoundError, UsageError
from fewshot.home import home, run_folder

if TYPE_CHECKING:
    from fewshot.adapters.adapter import Adapter

MAX_WEIGHT = 2.0


def parse_style(text: str) -> tuple[str, float]:
    """Split `name:0.6` into name and weight; the weight is 1 when none is given.

    A colon inside a path (`C:\\styles\\ink`, `./12:30/ink`) is part of the path, and so is everything when
    a file or folder of exactly that name exists.

    Raises:
        UsageError: no name, a weight that is no number, or one outside 0..2.
    """
    ref, colon, tail = text.rpartition(":")
    if not colon or re.search(r"[/\\]", tail) or _exists(text):
        ref, tail = text, "1"
    if not ref:
        raise UsageError(f"--style {text!r} names no style", "write it as --style NAME or --style NAME:0.6")
    try:
        weight = float(tail)
    except ValueError:
        raise UsageError(
            f"--style {text!r}: the weight {tail!r} is no number", f"write it as --style {ref}:0.6"
        ) from None
    if not (math.isfinite(weight) and 0 <= weight <= MAX_WEIGHT):
        raise UsageError(
            f"--style {text!r}: the weight {tail} is outside 0..{MAX_WEIGHT:g}",
            "0 is the base alone, 1 the style as trained, above 1 exaggerates it",
        )
    return ref, weight


def resolve_style(ref: str) -> tuple[Path, Consent | None]:
    """The adapter folder that `ref` means: a path to one (or to its run), a catalogued style
    (`name[@alias]`), a run of that name; in this order. With it, for a catalogued style, the consent to it.

    Raises:
        NotFoundError: none of them; the hint names the nearest run.
        IntegrityError: a catalogued style that is damaged or may not be used.
    """
    from fewshot.adapters.files import is_adapter
    from fewshot.catalog.use import catalogued

    path = Path(ref).expanduser()
    for folder in (path, path / "adapter"):
        if is_adapter(folder):
            return folder, None
    if _looks_like_path(ref):
        if path.exists():
            raise NotFoundError(
                f"{path}: no adapter in it",
                "give the folder that `fewshot adapt` wrote, with adapter_config.json",
            )
        raise NotFoundError(f"{path}: no such folder; expected an adapter", "check the path and its spelling")
    in_catalogue = catalogued(ref)
    if in_catalogue is not None:
        return in_catalogue
    with contextlib.suppress(UsageError):
        run = run_folder(ref)
        if is_adapter(run / "adapter"):
            return run / "adapter", None
        if run.is_dir():
            raise NotFoundError(
                f"the run {ref} has no finished adapter yet",
                f"finish it: fewshot adapt DIR --name {ref} --resume",
            )
    raise NotFoundError(f"there is no style {ref!r}", _suggestion(ref))


def load_style(ref: str) -> Adapter:
    """Find, verify and read the adapter that `ref` means.

    Raises:
        NotFoundError: there is none.
        IntegrityError: damaged, changed, or without consent: that of the catalogue for a catalogued style
            (it may have been renewed there), else that of adapter.json and of all that the catalogue knows
            of these weights.
    """
    from fewshot.adapters.adapter import adapter_of
    from fewshot.adapters.files import WEIGHTS, read_files
    from fewshot.catalog.use import require_consent

    folder, consent = resolve_style(ref)
    files = read_files(folder)
    if consent is None:
        require(files.name, files.consent.refusal())
        require_consent(files.name, files.contents[WEIGHTS])
        return adapter_of(files)
    return replace(adapter_of(files), name=ref, consent=consent)


def finished_runs() -> list[str]:
    """Names of the runs that have an adapter, sorted."""
    from fewshot.adapters.files import is_adapter

    runs = home() / "runs"
    if not runs.is_dir():
        return []
    return sorted(run.name for run in runs.iterdir() if is_adapter(run / "adapter"))


def _suggestion(ref: str) -> str:
    names = finished_runs()
    if not names:
        return f"train one first: fewshot adapt DIR --name {ref}"
    near = difflib.get_close_matches(ref, names, n=1)
    listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return f"did you mean {near[0]}?" if near else f"styles here: {listed}"


def _looks_like_path(ref: str) -> bool:
    return bool(re.search(r"[/\\]", ref)) or ref.startswith(("~", "."))


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False

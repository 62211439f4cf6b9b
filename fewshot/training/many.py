"""One adapter for each of many artists, by any number of workers that share a catalogue.

The catalogue is the record of what is done: an artist whose style is in it, learned from these drawings with
this recipe on this base, is left alone. Everything else is claimed (`claims.py`), trained, added and let go
of, and whoever finds nothing free waits for what others are at, in case one of them dies.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import select

from base_models.registry import create_model
from eval.errors import EvalError
from fewshot.adapters.files import WEIGHTS, is_adapter, read_files
from fewshot.catalog.adding import Facts, add
from fewshot.catalog.contents import tensors_sha256
from fewshot.catalog.models import Version
from fewshot.catalog.names import find_version, parse
from fewshot.catalog.store import Catalog
from fewshot.consent import UNKNOWN, Consent
from fewshot.data.pictures import is_picture_name
from fewshot.data.style_set import StyleSet
from fewshot.errors import BadInputError, ConflictError, FewshotError, Interrupted, NotFoundError, UsageError
from fewshot.home import base_folder, check_name, run_folder
from fewshot.training.adapt import adapt_style
from fewshot.training.claims import Claims
from fewshot.training.runs import is_unfinished
from recipes import Recipe, recipe_hash

Wanted = tuple[str, str, list[str]]
"""Hashes of recipe, base and drawings: adapters with the same ones need not be trained again."""
_LOG = "adapt.log"
"""In a run that was begun here: what its training said."""
_POLL = 1.0
"""Seconds between looks at what others are at."""


@dataclass(frozen=True)
class Artist:
    """One sub-folder of drawings."""

    name: str
    """Of the style: that of the folder."""
    folder: Path
    """Where the drawings lie."""


@dataclass(frozen=True)
class Job:
    """What all artists have in common."""

    base: str
    """Registered base, or a file."""
    recipe: Recipe
    """Every knob."""
    photos: Path | None = None
    """Source photos; see `adapt_style`."""
    licence: str = "unknown"
    """Written into every adapter."""
    consent: Consent = UNKNOWN
    """Likewise."""
    track: tuple[str, ...] = ()
    """Trackers that every training tells."""
    memory_limit: float | None = None
    """Bytes that each training may take; None: what is free."""


@dataclass(frozen=True)
class Done:
    """What became of one artist."""

    artist: str
    """Its name."""
    state: Literal["trained", "there", "failed"]
    """`there`: it was in the catalogue already."""
    version: int | None = None
    """In the catalogue."""
    minutes: float = 0.0
    """Of training."""
    error: str = ""
    """Why it failed, and what to do."""


def artists_in(folder: Path) -> list[Artist]:
    """The sub-folders with pictures in them, by name.

    Raises:
        NotFoundError, BadInputError: no such folder, or none in it.
        UsageError: names of sub-folders that cannot be those of styles.
    """
    hint = "give a folder with one folder of drawings for each artist"
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: no such folder", hint)
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [path for path in inner if any(is_picture_name(entry) for entry in path.iterdir())]
    if not found:
        raise BadInputError(f"{folder}: no folder of drawings in it", hint)
    artists, wrong = [], []
    for path in found:
        try:
            artists.append(Artist(check_name(path.name, "folder's name"), path))
        except UsageError as error:
            wrong.append(f"\n  {path}: {error}")
    if wrong:
        raise UsageError(
            f"{len(wrong)} of {len(found)} folders cannot give a style its name{''.join(wrong)}",
            "rename them: letters, digits, '.', '_' and '-', such as jane-doe",
        )
    return artists


def work(
    artists: Sequence[Artist],
    job: Job,
    catalog: Catalog,
    claims: Claims,
    on_done: Callable[[Done], None] = lambda done: None,
) -> None:
    """Train whatever nobody else trains, until all of it is in the catalogue or has failed here.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the artist at hand is saved and goes on next time.
    """
    base_sha256 = create_model(job.base, folders=[base_folder()]).sha256
    # Workers begin at different places, so that they do not all ask for the same artist.
    start = os.getpid() % len(artists)
    left = [*artists[start:], *artists[:start]]
    while left:
        rest = []
        for artist in left:
            if not claims.claim(artist.name):
                rest.append(artist)
                continue
            try:
                on_done(_one(artist, job, base_sha256, catalog))
            finally:
                claims.release(artist.name)
        if len(rest) == len(left):
            time.sleep(_POLL)
        left = rest


def _one(artist: Artist, job: Job, base_sha256: str, catalog: Catalog) -> Done:
    try:
        drawings = StyleSet.from_folder(artist.folder, size=64)
        wanted: Wanted = (recipe_hash(job.recipe), base_sha256, sorted(drawings.hashes))
        there = _version(artist.name, wanted, catalog)
        if there is not None:
            return Done(artist.name, "there", there)
        minutes = _train(artist, wanted, job, catalog)
        facts = Facts(licence=job.licence, consent=job.consent if job.consent != UNKNOWN else None)
        added = add(catalog, run_folder(artist.name), name=artist.name, facts=facts)
        return Done(artist.name, "trained", added.number, round(minutes, 2))
    except Interrupted:
        raise
    except FewshotError as error:
        # The others are trained all the same.
        return Done(artist.name, "failed", error=f"{error}" + (f" ({error.hint})" if error.hint else ""))
    except (EvalError, OSError) as error:
        return Done(artist.name, "failed", error=str(error))


def _train(artist: Artist, wanted: Wanted, job: Job, catalog: Catalog) -> float:
    """Minutes of training; a run that another worker left is gone on with, a finished one taken as it is.

    What was made here before is replaced, and so is what the catalogue keeps; a style or a run of somebody's
    `fewshot adapt` is not.
    """
    run = run_folder(artist.name)
    adapter = run / "adapter"
    finished = is_adapter(adapter) and _same(adapter, wanted)
    unfinished = is_unfinished(run)
    ours = (run / _LOG).exists()
    if is_adapter(adapter) and not (finished or unfinished or ours or _is_kept(adapter, catalog)):
        raise ConflictError(
            f"{run} holds a style of other drawings or another recipe, which is in no catalogue",
            f"keep it with `fewshot catalog add {artist.name}`, or move its folder away",
        )
    with _quiet(run):
        try:
            outcome = _adapt(
                artist, job, resume=unfinished or finished, overwrite=not (unfinished or finished)
            )
        except ConflictError:
            # The unfinished run was for other drawings or another recipe.
            if unfinished and not ours:
                # Somebody's `fewshot adapt`, who may want to go on with it.
                (run / _LOG).unlink(missing_ok=True)
                raise
            outcome = _adapt(artist, job, resume=False, overwrite=True)
    return outcome / 60


def _adapt(artist: Artist, job: Job, *, resume: bool, overwrite: bool) -> float:
    return adapt_style(
        artist.folder,
        name=artist.name,
        base=job.base,
        recipe=job.recipe,
        photos=job.photos,
        resume=resume,
        overwrite=overwrite,
        licence=job.licence,
        consent=job.consent,
        track=job.track,
        memory_limit=job.memory_limit,
    ).seconds


def _same(adapter: Path, wanted: Wanted) -> bool:
    with contextlib.suppress(FewshotError):
        files = read_files(adapter)
        recipe, references = files.record.get("recipe") or {}, files.record.get("references") or []
        return (recipe.get("hash"), files.base_sha256, sorted(references)) == wanted
    return False


def _is_kept(adapter: Path, catalog: Catalog) -> bool:
    """Whether the catalogue has these weights, under whatever name."""
    weights = tensors_sha256(read_files(adapter).contents[WEIGHTS])
    with catalog.read() as session:
        return (
            session.scalar(select(Version.id).where(Version.tensors_sha256 == weights).limit(1)) is not None
        )


def _version(name: str, wanted: Wanted, catalog: Catalog) -> int | None:
    """The latest version in the catalogue where it is what would be trained."""
    with catalog.read() as session, contextlib.suppress(NotFoundError):
        _, version = find_version(session, parse(name))
        if (version.recipe_hash, version.base_sha256, sorted(version.references or [])) == wanted:
            return version.number
    return None


@contextlib.contextmanager
def _quiet(run: Path) -> Iterator[None]:
    """What a training says goes into its run folder: many at once would talk across each other."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / _LOG).open("a", encoding="utf-8") as log, contextlib.redirect_stderr(log):
        yield

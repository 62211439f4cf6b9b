"""Where each drawing goes: names are kept, nothing is overwritten unless asked, and never an input."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fewshot.data.pictures import READABLE_SUFFIXES, list_pictures
from fewshot.errors import BadInputError, ConflictError, FewshotError, NotFoundError, UsageError
from fewshot.inference.video_files import VIDEO_SUFFIXES
from fewshot.output import notice

STREAM = Path("-")
"""Standard input or output, as in other tools."""
MOST_BYTES = 100_000_000
"""Of a photo on standard input."""
FORMATS = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""Endings that can be written, and Pillow's name of the format."""


@dataclass(frozen=True)
class Job:
    """One picture to draw."""

    source: Path
    """The photo."""
    target: Path
    """Where its drawing goes; `STREAM` is standard output."""
    data: bytes | None = field(default=None, repr=False)
    """The photo's content where it came through standard input."""


@dataclass(frozen=True)
class Failure:
    """An input that could not be used; the others are drawn all the same."""

    source: Path
    """The picture or folder."""
    error: FewshotError
    """What is wrong with it and what to do."""


@dataclass(frozen=True)
class Plan:
    """Every picture to draw, known before the model is loaded."""

    jobs: tuple[Job, ...]
    """In the order of the inputs; the pictures of a folder in natural order."""
    failures: tuple[Failure, ...]
    """Inputs that are missing, or folders without a picture."""
    done: tuple[Job, ...] = ()
    """What an earlier run has drawn already, where that is resumed."""


_NO_PICTURES = frozenset(VIDEO_SUFFIXES) - READABLE_SUFFIXES


def plan_outputs(
    inputs: Sequence[Path],
    out: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    ending: str | None = None,
    stdin: IO[bytes] | None = None,
) -> Plan:
    """Decide where each drawing goes.

    `out` with the ending of a picture is one file and takes exactly one picture; anything else is a folder.
    In a folder, a drawing keeps the name of its photo, as `.png` where that ending cannot be written, and as
    `me.bmp.png` where there is a `me.png` too; of photos with one name in several folders the further ones
    get `-2`, `-3`, ….

    Args:
        overwrite: whether existing files may be replaced.
        resume: leave out what is drawn in the folder already (drawings are there whole or not at all).
        ending: of every file in a folder, such as `.png`; None keeps the photo's own.
        stdin: where the photo `-` is read from.

    Raises:
        UsageError: no input, several pictures for one file, an ending that cannot be written, or a file where
            a folder is needed.
        ConflictError: a drawing exists and neither `overwrite` nor `resume` says what to do, it is the photo
            itself or a folder, or `out` is a folder of photos.
    """
    if resume and (STREAM in (*inputs, out) or _is_file_name(out) or ending is not None):
        raise UsageError(
            "--resume goes on with a folder of drawings, not with one file, a pipe or sheets",
            "give a folder: -o drawings/, or leave --resume out",
        )
    if not inputs:
        raise UsageError(
            "no picture to draw", "name pictures or folders: fewshot stylize me.jpg --style NAME"
        )
    if STREAM in inputs:
        return Plan((_from_stream(inputs, out, stdin, overwrite=overwrite),), ())
    if out != STREAM:
        _refuse_file_in_path(out)
    sources, failures = _collect(inputs)
    if out == STREAM or _is_file_name(out):
        return Plan(_single(sources, out, overwrite=overwrite), failures)
    _refuse_folder_of_photos(inputs, out)
    jobs: list[Job] = []
    done: list[Job] = []
    for source, target in _names(sources, out, ending).items():
        (done if resume and not overwrite and target.exists() else jobs).append(Job(source, target))
    if folders := [job.target for job in (*jobs, *done) if job.target.is_dir()]:
        raise ConflictError(f"{folders[0]} is a folder", "move it away, or choose another folder with -o")
    there = [] if overwrite or resume else [job.target for job in jobs if os.path.lexists(job.target)]
    if there:
        raise ConflictError(
            f"{len(there)} of {len(jobs)} drawings exist already in {out}, such as {there[0].name}",
            "add --resume to draw the rest, --overwrite to draw all again, or choose another folder",
        )
    return Plan(tuple(jobs), failures, tuple(done))


def _from_stream(inputs: Sequence[Path], out: Path, stdin: IO[bytes] | None, *, overwrite: bool) -> Job:
    """The job of a photo that comes through standard input."""
    if len(inputs) > 1:
        raise UsageError(
            "- stands for one photo on standard input, and cannot be mixed with files", "use - alone"
        )
    if out != STREAM:
        _refuse_file_in_path(out)
        if not _is_file_name(out):
            raise UsageError(f"-o {out}: a photo from standard input has no name", "name a file, or use -o -")
        if os.path.lexists(out) and not overwrite:
            raise ConflictError(f"{out} exists already", "choose another name, or add --overwrite")
    data = stdin.read(MOST_BYTES + 1) if stdin is not None else b""
    if len(data) > MOST_BYTES:
        raise BadInputError(
            f"standard input holds more than {MOST_BYTES // 1_000_000} MB",
            "give one picture, of 100 MB at most",
        )
    if not data:
        raise BadInputError(
            "standard input is empty; expected one picture", "pipe a picture in: cat me.jpg |"
        )
    return Job(STREAM, out, data)


def _refuse_file_in_path(out: Path) -> None:
    is_file = out.suffix.lower() in (*FORMATS, *VIDEO_SUFFIXES)
    for folder in (*out.parents, *([] if is_file else [out])):
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file, expected a folder", "choose another folder with -o")


def _collect(inputs: Sequence[Path]) -> tuple[list[Path], tuple[Failure, ...]]:
    sources: list[Path] = []
    failures = []
    for path in inputs:
        try:
            if path.is_dir():
                if left_out := sum(entry.suffix.lower() in _NO_PICTURES for entry in path.iterdir()):
                    notice(f"{path}: {left_out} videos left out; each is drawn by a command of its own")
                sources += list_pictures(path)
            elif path.exists():
                sources.append(path)
            else:
                hint = "check the path and its spelling"
                if str(path).isdecimal() or str(path).startswith("/dev/video"):
                    hint = "add --live to draw what a camera sees"
                raise NotFoundError(f"{path}: no such file or folder", hint)
        except FewshotError as error:
            failures.append(Failure(path, error))
        except OSError as error:
            problem = BadInputError(f"{path}: {error.strerror}; expected a picture", "check the path")
            failures.append(Failure(path, problem))
    return list(dict.fromkeys(sources)), tuple(failures)


def _is_file_name(out: Path) -> bool:
    if out.is_dir():
        return False
    suffix = out.suffix.lower()
    if suffix in READABLE_SUFFIXES and suffix not in FORMATS:
        raise UsageError(f"{out}: {suffix} files cannot be written", f"use one of {', '.join(FORMATS)}")
    if suffix in VIDEO_SUFFIXES:
        raise UsageError(
            f"{out} is a video, but a picture is to be drawn",
            f"use one of {', '.join(FORMATS)}; a camera needs --live",
        )
    return suffix in FORMATS


def _single(sources: Sequence[Path], out: Path, *, overwrite: bool) -> tuple[Job, ...]:
    if len(sources) > 1:
        raise UsageError(
            f"{len(sources)} pictures do not fit into one file {out}", "give a folder: -o drawings/"
        )
    for source in sources:
        if out != STREAM and _identity(source) == _identity(out):
            raise ConflictError(f"{out} is the photo itself", "choose another name with -o")
    if out != STREAM and os.path.lexists(out) and not overwrite:
        raise ConflictError(f"{out} exists already", "choose another name, or add --overwrite")
    return tuple(Job(source, out) for source in sources)


def _refuse_folder_of_photos(inputs: Sequence[Path], out: Path) -> None:
    """Drawings among photos would be drawn with them the next time."""
    for folder in inputs:
        if os.path.isdir(folder) and _identity(folder) == _identity(out):
            raise ConflictError(f"{out} is the folder of the photos", "choose another folder with -o")


def _names(sources: Sequence[Path], out: Path, ending: str | None) -> dict[Path, Path]:
    """Where each drawing goes, in the order of the photos.

    Names depend on the others as little as can be, so that a folder which has got more photos can be resumed:
    what keeps its ending comes first, and what has to change it has a name of its own then.
    """
    protected = {_identity(source) for source in sources}
    taken: set[str] = set()
    found: dict[Path, Path] = {}

    def keeps(source: Path) -> bool:
        return ending is None and source.suffix.lower() in FORMATS

    for source in sorted(sources, key=lambda source: not keeps(source)):
        suffix = source.suffix if keeps(source) else ending or ".png"
        numbers = (f"{source.stem}-{number}{suffix}" for number in itertools.count(2))
        own = (f"{source.name}{suffix}",) if suffix != source.suffix else ()
        for name in itertools.chain((f"{source.stem}{suffix}", *own), numbers):
            target = out / name
            if _key(target) not in taken and _identity(target) not in protected:
                break
        taken.add(_key(target))
        found[source] = target
    return {source: found[source] for source in sources}


def _key(path: Path) -> str:
    # Some file systems hold A.png and a.png for one file.
    return str(path).casefold()


def _identity(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))

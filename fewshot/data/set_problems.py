"""What a person should know about a folder of drawings, in words: `style_set.StyleSet` collects it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fewshot.data.pictures import is_picture_name
from fewshot.errors import BadInputError

FEW = 5
"""Under this many drawings there is no validation fold, and the set comes with a warning."""

ProblemKind = Literal["unreadable", "duplicate", "notice", "few", "limit"]


@dataclass(frozen=True)
class Problem:
    """Something a person should know about one file or the whole folder."""

    path: Path
    """The picture, or the folder when the problem is the set's."""
    kind: ProblemKind
    """`unreadable` and `duplicate` cost a picture; the others are notices."""
    message: str
    """What was found and what was expected."""
    hint: str = ""
    """What to do about it."""


def about_the_set(folder: Path, files: int, kept: int, limit: int) -> list[Problem]:
    """More drawings than are used, or few."""
    if files > limit and kept == limit:
        text = f"{folder}: {files} pictures, {kept} of them, evenly spaced by name, are used"
        return [
            Problem(folder, "limit", text, "put your favourite drawings into a folder of their own to choose")
        ]
    if kept < FEW:
        drawings = "1 usable drawing" if kept == 1 else f"{kept} usable drawings"
        text = f"{folder}: only {drawings}; expected {FEW} or more for a dependable style"
        return [
            Problem(
                folder,
                "few",
                text,
                "add drawings by the same hand, 20 to 40 are best; for so few there is --recipe single",
            )
        ]
    return []


def about_faces(folder: Path, faceless: int, count: int) -> list[Problem]:
    """Drawings in most of which no face was found."""
    # Faces behind hair are missed here and there; what has hardly any is another subject.
    if 2 * faceless <= count:
        return []
    text = f"{folder}: no face was found in {faceless} of {count} drawings; the base knows faces"
    return [Problem(folder, "notice", text, "choose heads and busts, or cut them out yourself: crop=center")]


def about_subfolders(folder: Path) -> list[Problem]:
    """Pictures in folders inside, which nobody looks at."""
    counts = {
        entry.name: sum(is_picture_name(Path(name)) for name in _names(entry))
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and not entry.name.startswith(".")
    }
    found = [f"{name}/ ({count})" for name, count in counts.items() if count]
    if not found:
        return []
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    text = f"{folder}: pictures in folders inside it are not used: {', '.join(found[:3])}{more}"
    return [Problem(folder, "notice", text, "move those that belong to the style up into it")]


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def nothing_usable(folder: Path, problems: Sequence[Problem]) -> BadInputError:
    """Where no picture is left."""
    listed = "\n".join(f"  {problem.message}" for problem in problems)
    return BadInputError(
        f"{folder}: none of its {len(problems)} pictures can be used; expected at least one\n{listed}",
        f"look at them one by one with: fewshot check '{folder}'",
    )

"""Artists to measure with: a folder each, with drawings to learn from and others to measure with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fewshot.data.pictures import is_picture_name
from fewshot.errors import BadInputError, NotFoundError

TRAIN, HELD_OUT, HELD_OUT_PHOTOS = "train", "heldout", "heldout_photos"


@dataclass(frozen=True)
class Artist:
    """One artist's folders."""

    name: str
    """Of the folder."""
    train: Path
    """Drawings to learn from."""
    heldout: Path
    """Drawings to measure with."""
    photos: Path | None
    """Photos whose true drawings are the held-out ones of the same names; None where there are none."""


def find_artists(folder: Path) -> list[Artist]:
    """Every artist below `folder` with both kinds of drawings, by name.

    Raises:
        NotFoundError: no such folder.
        BadInputError: fewer than two artists: a style rank needs others.
    """
    if not folder.is_dir():
        raise NotFoundError(
            f"{folder}: no such folder; expected one folder per artist", "check the path and its spelling"
        )
    found = []
    for path in sorted(p for p in folder.iterdir() if p.is_dir()):
        if all(_has_pictures(path / part) for part in (TRAIN, HELD_OUT)):
            photos = path / HELD_OUT_PHOTOS
            found.append(
                Artist(path.name, path / TRAIN, path / HELD_OUT, photos if _has_pictures(photos) else None)
            )
    if len(found) < 2:
        raise BadInputError(
            f"{folder}: {len(found)} artists with {TRAIN}/ and {HELD_OUT}/ in it; expected two or more",
            "make a folder per artist: NAME/train and NAME/heldout, no drawing in both",
        )
    return found


def _has_pictures(folder: Path) -> bool:
    return folder.is_dir() and any(is_picture_name(path) for path in folder.iterdir())

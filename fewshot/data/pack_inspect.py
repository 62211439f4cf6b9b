"""Look at every picture of a source once: what is wrong with it, and where its face is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from fewshot.data.align import FacePlace, drawing_place, middle_place, photo_place
from fewshot.data.archives import list_names, read_members
from fewshot.data.clean import MAX_FRAME, cells, cut_frame, find_copies, is_grey
from fewshot.data.faces import DrawnFaceFinder, FaceFinder
from fewshot.data.packs import is_held_out, source_stem
from fewshot.data.parallel import in_parallel
from fewshot.data.pictures import read_picture
from fewshot.errors import BadInputError, FewshotError
from fewshot.output import Progress

Side = Literal["photos", "drawings"]


@dataclass(frozen=True)
class Finders:
    """The two face detectors."""

    faces: FaceFinder
    """For photos."""
    drawn: DrawnFaceFinder
    """For drawings."""

    def place(self, picture: NDArray[np.uint8], side: Side) -> FacePlace | None:
        """Where the face of a square picture `(S, S, 3)` is, or None."""
        if side == "photos":
            return photo_place(picture, self.faces)
        return drawing_place(picture, self.drawn)


FACELESS_SHARE = 0.02
"""Photos without a found face are kept up to this share: hard side faces and occluded ones are among them."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Kept:
    """A picture that goes into the pack."""

    name: str
    """Its name inside the source."""
    data: bytes
    """The encoded file."""
    place: FacePlace
    """Where its face is in the middle square of the picture."""
    found: bool
    """Whether a detector said so; else it is the source's median."""


@dataclass(frozen=True)
class Inspected:
    """A source after cleaning."""

    kept: tuple[Kept, ...]
    """In the order of their names."""
    px: int
    """Median side of the pictures, px."""
    left_out: dict[str, int]
    """How many were left out, by reason."""
    cropped: int
    """How many of the kept ones lost a frame."""


@dataclass(frozen=True)
class _Look:
    name: str
    data: bytes
    reason: str = ""
    place: FacePlace | None = None
    cells: NDArray[np.uint8] | None = None
    px: int = 0
    framed: bool = False


def inspect(source: Path, side: Side, finders: Finders, bar: Progress) -> Inspected:
    """Read, clean and locate the faces of all pictures of a source that are not held out.

    Raises:
        BadInputError: nothing is left, or the archive is damaged.
    """
    stem = source_stem(source)
    found = sorted(list_names(source))
    names = [name for name in found if not is_held_out(stem, name)]
    bar.total += len(names)
    looks: list[_Look] = []
    for look in in_parallel(lambda item: _look(*item, side, finders), read_members(source, names)):
        looks.append(look)
        bar.update(bar.done + 1)
    looks.sort(key=lambda look: look.name)
    left_out = Counter({"held out": len(found) - len(names)})
    left_out.update(look.reason for look in looks if look.reason)
    looks = [look for look in looks if not look.reason]
    copies = find_copies([look.cells for look in looks if look.cells is not None])
    left_out["copy"] = len(copies)
    looks = [look for index, look in enumerate(looks) if index not in copies]
    kept, faceless = _place(looks, side)
    left_out["no face"] = faceless
    if not kept:
        raise BadInputError(
            f"{source} has no picture left to train on ({dict(left_out)})",
            "give pictures with one face each; `fewshot check` says more about a folder",
        )
    px = round(float(np.median([look.px for look in looks])))
    reasons = {reason: count for reason, count in sorted(left_out.items()) if count}
    return Inspected(tuple(kept), px, reasons, sum(look.framed for look in looks))


def _place(looks: Sequence[_Look], side: Side) -> tuple[list[Kept], int]:
    """The pictures to keep, and how many faceless ones are not among them."""
    seen = [look.place for look in looks if look.place is not None]
    faceless = [look.name for look in looks if look.place is None]
    room = round(len(seen) * FACELESS_SHARE) if side == "photos" else 0
    allowed = set(thin(faceless, room))
    middle = middle_place(seen)
    kept = [
        Kept(look.name, look.data, look.place or middle, look.place is not None)
        for look in looks
        if look.place is not None or look.name in allowed
    ]
    return kept, len(faceless) - len(allowed)


def _look(name: str, data: bytes, side: Side, finders: Finders) -> _Look:
    whole = decode(name, data)
    if whole is None:
        return _Look(name, data, "unreadable")
    picture = cut_frame(whole)
    square = middle_square(picture)
    if len(square) < (1 - MAX_FRAME) * min(whole.shape[:2]):
        return _Look(name, data, "frame")
    if is_grey(square):
        return _Look(name, data, "grey")
    place = finders.place(square, side)
    framed = picture.shape != whole.shape
    return _Look(name, data, "", place, cells(square), len(square), framed)


def decode(name: str, data: bytes) -> NDArray[np.uint8] | None:
    """The upright picture `(H, W, 3)`, or None for what cannot be read."""
    try:
        return np.asarray(read_picture(name, data, least_side=1).image)
    except FewshotError:
        return None


def middle_square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The square `(S, S, 3)` in the middle of a picture."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def thin(items: Sequence[_T], count: int) -> list[_T]:
    """At most `count` items, evenly spaced."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]

"""An artist's drawings as a set: read what can be read, drop duplicates, say what was wrong with the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.data.pictures import content_hash, list_pictures, read_drawing, to_square
from fewshot.data.set_problems import (
    FEW,
    Problem,
    about_faces,
    about_subfolders,
    about_the_set,
    nothing_usable,
)
from fewshot.errors import FewshotError

if TYPE_CHECKING:
    import torch

DrawingCrop = Literal["face", "center"]
"""How a drawing becomes a square: about its face, as large as in a selfie, or the middle of it."""


@dataclass(frozen=True, eq=False)
class StylePicture:
    """One drawing, squared."""

    path: Path
    """Where it came from."""
    hash: str
    """SHA-256 of the decoded picture before squaring; see `content_hash`."""
    original_size: tuple[int, int]
    """Width and height in pixels, upright."""
    pixels: NDArray[np.uint8]
    """`(S, S, 3)` RGB, read-only."""
    whole: NDArray[np.uint8]
    """The middle of it, of the same shape: `pixels` where no face was cut out."""


@dataclass(frozen=True, eq=False)
class StyleSet:
    """The drawings of one artist, ready to train on."""

    name: str
    """The folder's name."""
    size: int
    """Side S of the squared pictures, in pixels."""
    pictures: tuple[StylePicture, ...]
    """At least one, in natural order of their file names, no two with the same content."""
    problems: tuple[Problem, ...] = ()
    """Everything found on the way, in the order it was met."""

    @classmethod
    def from_folder(
        cls, path: str | Path, *, size: int, limit: int = 60, crop: DrawingCrop = "center"
    ) -> Self:
        """Read the drawings directly inside `path`.

        A file that cannot be used becomes a problem and the others still count. Of more than `limit`
        drawings, evenly spaced ones are taken. Of `crop`, `face` cuts squares about the faces
        (`drawing_framing`), `center` takes the middle.

        Raises:
            NotFoundError: there is no such folder.
            BadInputError: the folder holds no picture, or none that can be used.
        """
        folder = Path(path)
        files = list_pictures(folder)
        kept: dict[int, StylePicture] = {}
        seen: dict[str, Path] = {}
        problems: list[Problem] = []
        for index in _spread(len(files), limit):
            if len(kept) == limit:
                break
            try:
                picture, notices = _read(files[index], size, crop)
            except FewshotError as error:
                problems.append(Problem(files[index], "unreadable", str(error), error.hint))
                continue
            problems.extend(Problem(files[index], "notice", f"{files[index]}: {text}") for text in notices)
            if (twin := seen.setdefault(picture.hash, files[index])) != files[index]:
                text = f"{files[index]}: the same picture as {twin.name}, counted once"
                problems.append(Problem(files[index], "duplicate", text, "delete one of the two"))
                continue
            kept[index] = picture
        if not kept:
            raise nothing_usable(folder, problems)
        problems.extend(about_the_set(folder, len(files), len(kept), limit))
        problems.extend(about_subfolders(folder))
        resolved = folder.resolve()
        pictures = tuple(kept[i] for i in sorted(kept))
        if crop == "face":
            pictures, faceless = _framed(pictures, size)
            problems.extend(about_faces(folder, faceless, len(pictures)))
        return cls(resolved.name, size, pictures, tuple(problems))

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[StylePicture]:
        return iter(self.pictures)

    @property
    def hashes(self) -> tuple[str, ...]:
        """Content hashes in the order of `pictures`."""
        return tuple(picture.hash for picture in self.pictures)

    def tensor(self) -> "torch.Tensor":
        """All drawings as uint8 `(N, 3, S, S)` RGB."""
        import torch

        stacked = np.stack([picture.pixels for picture in self.pictures])
        return torch.from_numpy(np.ascontiguousarray(stacked.transpose(0, 3, 1, 2)))

    def wholes(self) -> "torch.Tensor":
        """As `tensor`, of the drawings as they were before faces were cut out."""
        return self._with([replace(picture, pixels=picture.whole) for picture in self.pictures]).tensor()

    def in_grey(self) -> "StyleSet":
        """The same drawings without colour (ITU-R BT.601), under the same hashes."""
        return self._with([replace(p, pixels=_grey(p.pixels), whole=_grey(p.whole)) for p in self.pictures])

    def split(self, fraction: float = 0.2, seed: int = 0) -> tuple["StyleSet", "StyleSet | None"]:
        """Training part and validation fold.

        Which drawing goes where depends on its content and `seed` alone, never on file names; near copies of
        each other stay together, unless all of them are. With fewer than five drawings there is no fold: the
        whole set and `None` come back.

        Raises:
            ValueError: `fraction` is not in (0, 1).
        """
        if not 0.0 < fraction < 1.0:
            raise ValueError(f"fraction is {fraction}; expected a number between 0 and 1")
        if len(self.pictures) < FEW:
            return self, None
        count = min(max(1, round(len(self.pictures) * fraction)), len(self.pictures) - 1)
        drawn = _fold_of(self.pictures, count, seed)
        fold = [picture for picture in self.pictures if picture.hash in drawn]
        rest = [picture for picture in self.pictures if picture.hash not in drawn]
        return self._with(rest), self._with(fold)

    def _with(self, pictures: Sequence[StylePicture]) -> "StyleSet":
        return StyleSet(self.name, self.size, tuple(pictures))


def _read(path: Path, size: int, crop: DrawingCrop) -> tuple[StylePicture, tuple[str, ...]]:
    from fewshot.data.drawing_page import drawing_square

    opened = read_drawing(path)
    pixels = drawing_square(opened.image, size) if crop == "face" else to_square(opened.image, size)
    pixels.setflags(write=False)
    picture = StylePicture(path, content_hash(opened.image), opened.image.size, pixels, pixels)
    return picture, opened.notices


def _fold_of(pictures: Sequence[StylePicture], count: int, seed: int) -> set[str]:
    """Hashes of the drawings of whole families: about `count`, and half of all drawings at most.

    Where no family is that small, the smallest.
    """
    from fewshot.data.families import families

    drawn: set[str] = set()
    groups = families(pictures, seed)
    if len(groups) == 1:
        groups = [[picture] for picture in groups[0]]
    for family in groups:
        size = len(drawn) + len(family)
        if abs(size - count) < abs(len(drawn) - count) and 2 * size <= len(pictures):
            drawn.update(picture.hash for picture in family)
    return drawn or {picture.hash for picture in min(groups, key=len)}


def _framed(pictures: Sequence[StylePicture], size: int) -> tuple[tuple[StylePicture, ...], int]:
    """Cut about the faces; and in how many none was found."""
    from fewshot.data.drawing_framing import cut_window, face_windows

    windows = face_windows([picture.pixels for picture in pictures], size)
    framed = [cut_window(picture.pixels, w, size) for picture, w in zip(pictures, windows, strict=True)]
    wholes = [to_square(Image.fromarray(picture.pixels), size) for picture in pictures]
    for pixels in (*framed, *wholes):
        pixels.setflags(write=False)
    cut = tuple(
        replace(picture, pixels=face, whole=whole)
        for picture, face, whole in zip(pictures, framed, wholes, strict=True)
    )
    return cut, sum(not window.found for window in windows)


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    lightness = (pixels @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
    grey = np.repeat(lightness[..., None], 3, axis=2)
    grey.setflags(write=False)
    return grey


def _spread(count: int, limit: int) -> list[int]:
    # Evenly spaced ones first; the others follow and step in for those that turn out unusable.
    if count <= limit:
        return list(range(count))
    first = [round(i * (count - 1) / max(limit - 1, 1)) for i in range(limit)]
    chosen = set(first)
    return first + [i for i in range(count) if i not in chosen]

"""Pictures to measure with: folders, archives, index ranges, and the shipped hands as negatives."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fewshot.data.packs import load_pack
from fewshot.data.pictures import list_pictures, open_picture, to_square
from fewshot.errors import BadInputError, FewshotError, UsageError
from fewshot.output import warn
from fewshot.samples import sample_folder, sample_hands

Crop = Literal["center", "face"]


@dataclass(frozen=True)
class Gathered:
    """Pictures of one source at one size."""

    source: str
    """Name of the folder or archive, without its path."""
    names: tuple[str, ...]
    """Stem of each picture's name, in the order of `pixels`."""
    pixels: np.ndarray
    """uint8 `(N, 3, S, S)` RGB, N >= 1."""

    def __len__(self) -> int:
        return len(self.names)


def parse_indices(text: str) -> Callable[[str], bool]:
    """Turn `03300-03399` or `1,5,7-9` into a test on picture names, by the number at the end of the stem.

    Raises:
        UsageError: anything else, or a range that runs backwards.
    """
    ranges = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UsageError(f"--indices {text!r}: {part!r} is no range", "write it as 3300-3399, or 1,5,7-9")
        ranges.append(range(first, last + 1))

    def wanted(name: str) -> bool:
        number = re.search(r"(\d+)$", Path(name).stem)
        return number is not None and any(int(number[1]) in span for span in ranges)

    return wanted


def gather(path: Path, size: int, *, indices: str | None = None, crop: Crop = "center") -> Gathered:
    """Read a folder (not its sub-folders) or a .tar archive as squares of `size` px.

    A picture of a folder that cannot be read is named in a warning, and the others count.

    Args:
        path: folder or .tar archive.
        size: side of the squares, px.
        indices: which pictures, as `parse_indices` reads it; None takes all, held-out ones too.
        crop: `face` frames the largest face as `fewshot stylize` does; folders only.

    Raises:
        NotFoundError: there is no such folder or archive.
        BadInputError: no picture in it can be used.
        UsageError: `indices` cannot be read, or faces in an archive.
    """
    wanted = parse_indices(indices) if indices else None
    if path.suffix == ".tar" and not path.is_dir():
        if crop == "face":
            raise UsageError(f"--crop face: {path} is an archive", "unpack it into a folder first")
        return _from_archive(path, size, wanted, indices)
    names, squares, refused = [], [], []
    for file in list_pictures(path):
        if wanted is not None and not wanted(file.name):
            continue
        try:
            squares.append(_square(file, size, crop))
            names.append(file.stem)
        except FewshotError as error:
            refused.append(str(error))
    if not squares:
        listed = "".join(f"\n  {message}" for message in refused)
        chosen = f" with --indices {indices}" if indices else ""
        raise BadInputError(
            f"{path}: none of its pictures{chosen} can be used; expected at least one{listed}",
            f"look at them one by one with: fewshot check '{path}'",
        )
    for message in refused:
        warn(f"{message}; left out")
    return Gathered(path.resolve().name, tuple(names), np.stack(squares))


def _from_archive(
    path: Path, size: int, wanted: Callable[[str], bool] | None, indices: str | None
) -> Gathered:
    asked: dict[str, bool] = {}

    def keep(_: str, name: str) -> bool:
        return asked.setdefault(name, wanted is None or wanted(name))

    try:
        pack = load_pack(path, size, keep=keep)
    except BadInputError:
        if asked and not any(asked.values()):
            raise BadInputError(
                f"{path}: none of its {len(asked)} pictures is among --indices {indices}",
                f"its names run from {min(asked)} to {max(asked)}",
            ) from None
        raise
    return Gathered(pack.source, tuple(Path(name).stem for name in pack.names), np.asarray(pack.pixels))


def _square(file: Path, size: int, crop: Crop) -> np.ndarray:
    image = open_picture(file)
    if crop == "face":
        from fewshot.inference.framing import frame

        image = frame(image).image
    return np.ascontiguousarray(to_square(image, size).transpose(2, 0, 1))


def gather_others(folders: Sequence[Path], size: int, *, artist: Path | None = None) -> dict[str, np.ndarray]:
    """Negatives of the style rank by name: the given folders, or the shipped hands when there are none.

    Args:
        folders: one per other artist.
        size: side of the squares, px.
        artist: the drawings that are measured; a shipped hand in that folder is left out.

    Raises:
        NotFoundError, BadInputError: as `gather`.
        UsageError: one folder twice, or the artist's own among the others.
    """
    own = artist.resolve() if artist is not None else None
    if not folders:
        hands = {hand: sample_folder(hand) for hand in sample_hands()}
        return {hand: gather(f, size).pixels for hand, f in hands.items() if f.resolve() != own}
    resolved = [folder.resolve() for folder in folders]
    if own in resolved or len(set(resolved)) < len(resolved):
        raise UsageError(
            "one folder is named twice, or is the artist's own", "name each other artist's folder once"
        )
    return {name: gather(f, size).pixels for name, f in zip(style_names(resolved), folders, strict=True)}


def style_names(folders: Sequence[Path]) -> list[str]:
    """Shortest endings of the paths that tell the folders apart, such as `lorelei/train`."""
    depth = 1
    while len({folder.parts[-depth:] for folder in folders}) < len(folders):
        depth += 1
    return ["/".join(folder.parts[-depth:]) for folder in folders]

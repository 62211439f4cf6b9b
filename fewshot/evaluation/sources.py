"""Pictures to measure with: folders, archives, patterns, index ranges, and the shipped hands as negatives."""

from __future__ import annotations

import functools
import glob
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eval.feature_cache import content_hash
from eval.framings import framings
from fewshot.data.archives import list_names
from fewshot.data.pictures import is_picture_name, list_pictures, natural_key
from fewshot.data.style_set import DrawingCrop
from fewshot.errors import BadInputError, NotFoundError, UsageError
from fewshot.evaluation.decoding import Framing, Skipped, check_one_size, decode_all, is_archive
from fewshot.output import warn
from fewshot.samples import sample_folder, sample_hands

_WARNED = 10
"""Pictures left out that are named on the terminal; `Gathered.skipped` has them all."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """Pictures of one source at one size."""

    source: str
    """Name of the folder or archive without its path, or the pattern from its folder on."""
    names: tuple[str, ...]
    """Stem of each picture's name, in the order of `pixels`."""
    pixels: np.ndarray
    """uint8 `(N, 3, S, S)` RGB, N >= 1."""
    skipped: tuple[Skipped, ...] = ()
    """What the source holds besides and could not be read."""
    wholes: np.ndarray | None = None
    """Of the same shape, drawings before they were cut about their faces; None where none was to be."""

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def hashes(self) -> tuple[str, ...]:
        """`eval.feature_cache.content_hash` of each picture, computed when first asked for."""
        return tuple(content_hash(picture) for picture in self.pixels)

    def rows(self, chosen: Sequence[int] | np.ndarray) -> Gathered:
        """Some of the pictures, by their rows."""
        names, rows = tuple(self.names[row] for row in chosen), np.asarray(chosen, int)
        wholes = None if self.wholes is None else self.wholes[rows]
        return replace(self, names=names, pixels=self.pixels[rows], wholes=wholes)

    def framed(self) -> Iterator[Gathered]:
        """The same drawings in each of the framings of `eval.framings`, in which a hand is to be known."""
        for pixels in framings(self.pixels, self.wholes):
            yield replace(self, pixels=pixels, wholes=None)


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


def gather(path: Path, size: int | None, *, indices: str | None = None, crop: Framing = "center") -> Gathered:
    """Read a folder (not its sub-folders), a .tar archive or a pattern such as `results/*.png`.

    A picture that cannot be read is named in a warning and in `skipped`, and the others count. A folder and
    an archive of the same files give the same pixels in the same order.

    Args:
        path: folder, .tar archive or pattern; a file or folder of that very name comes before the pattern.
        size: side of the squares, px; None takes the pictures as they are, which then have to be of one size
            (as torch-fidelity reads them, for numbers to compare with published ones).
        indices: which pictures, as `parse_indices` reads it; None takes all, held-out ones too.
        crop: how they become squares; `drawn-face` not without a size.

    Raises:
        NotFoundError: there is no such folder, archive or file.
        BadInputError: no picture in it can be used, or pictures of several sizes without `size`.
        UsageError: `indices` cannot be read.
    """
    wanted = parse_indices(indices) if indices else None
    source, files = _list(path)
    chosen = [name for name in files if wanted is None or wanted(name)]
    if not chosen:
        raise BadInputError(
            f"{path}: none of its {len(files)} pictures is among --indices {indices}",
            f"its names run from {Path(files[0]).stem} to {Path(files[-1]).stem}",
        )
    found, wholes, skipped = decode_all(path, chosen, size, crop)
    if not found:
        listed = "".join(f"\n  {reason}" for _, reason in skipped)
        only = f" with --indices {indices}" if indices else ""
        raise BadInputError(
            f"{path}: none of its pictures{only} can be used; expected at least one{listed}",
            f"look at them one by one with: fewshot check '{path}'" if path.is_dir() else "",
        )
    for _, reason in skipped[:_WARNED]:
        warn(f"{reason}; left out")
    if len(skipped) > _WARNED:
        warn(f"{path}: {len(skipped) - _WARNED} more pictures left out")
    check_one_size(path, found)
    names = tuple(Path(name).stem for name in found)
    whole = np.stack(list(wholes.values())) if wholes else None
    return Gathered(source, names, np.stack(list(found.values())), tuple(skipped), whole)


def gather_drawings(path: Path, size: int, crop: DrawingCrop = "face") -> Gathered:
    """One hand's drawings as `fewshot adapt` sees them, framed about their faces; else as `gather`."""
    return gather(path, size, crop="drawn-face" if crop == "face" else "center")


def _list(path: Path) -> tuple[str, list[str]]:
    """What to call the source, and the names of its pictures: paths, or names in the archive."""
    if glob.has_magic(str(path)) and not path.exists():
        files = [Path(name) for name in glob.glob(str(path), recursive=True)]
        pictures = [file for file in files if is_picture_name(file) and not file.is_dir()]
        if not pictures:
            raise NotFoundError(
                f"{path}: no picture matches (found {len(files)} other files and folders)",
                "a pattern is to match the files themselves, such as 'results/*.png'",
            )
        pictures.sort(key=lambda file: (str(file.parent), natural_key(file)))
        return "/".join(path.parts[-2:]), [str(file) for file in pictures]
    if not is_archive(path):
        return path.resolve().name, [str(file) for file in list_pictures(path)]
    if not path.exists():
        raise NotFoundError(f"{path}: no such archive; expected a .tar of pictures", "check the spelling")
    names = sorted(list_names(path), key=lambda name: natural_key(Path(name)))
    if not names:
        raise BadInputError(f"{path}: no picture in it; expected files such as .png, .jpg or .webp")
    return path.name, names


def gather_others(
    folders: Sequence[Path], size: int, *, artist: Path | None = None, crop: DrawingCrop = "face"
) -> dict[str, Gathered]:
    """Negatives of the style rank by name: the given folders, or the shipped hands when there are none.

    Args:
        folders: one per other artist.
        size: side of the squares, px.
        artist: the drawings that are measured; a shipped hand in that folder is left out.
        crop: how drawings become squares.

    Raises:
        NotFoundError, BadInputError: as `gather`.
        UsageError: one folder twice, or the artist's own among the others.
    """
    own = artist.resolve() if artist is not None else None
    if not folders:
        hands = {hand: sample_folder(hand) for hand in sample_hands()}
        return {hand: gather_drawings(f, size, crop) for hand, f in hands.items() if f.resolve() != own}
    resolved = [folder.resolve() for folder in folders]
    if own in resolved or len(set(resolved)) < len(resolved):
        raise UsageError(
            "one folder is named twice, or is the artist's own", "name each other artist's folder once"
        )
    return {
        name: gather_drawings(f, size, crop) for name, f in zip(style_names(resolved), folders, strict=True)
    }


def style_names(folders: Sequence[Path]) -> list[str]:
    """Shortest endings of the paths that tell the folders apart, such as `lorelei/train`."""
    depth = 1
    while len({folder.parts[-depth:] for folder in folders}) < len(folders):
        depth += 1
    return ["/".join(folder.parts[-depth:]) for folder in folders]

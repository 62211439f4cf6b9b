"""Pictures to measure with: folders, archives, patterns, index ranges, and the shipped hands as negatives."""

from __future__ import annotations

import functools
import glob
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from eval.feature_cache import content_hash
from fewshot.data.archives import list_names, read_members
from fewshot.data.drawing_framing import drawing_square, frame_drawings
from fewshot.data.parallel import in_parallel
from fewshot.data.pictures import is_picture_name, list_pictures, natural_key, read_picture, to_square
from fewshot.data.style_set import DrawingCrop
from fewshot.errors import BadInputError, FewshotError, NotFoundError, UsageError
from fewshot.output import warn
from fewshot.samples import sample_folder, sample_hands

Crop = Literal["center", "face"]
"""How a photo becomes a square: its middle, or its largest face as `fewshot stylize` frames it."""
Framing = Crop | Literal["drawn-face"]
"""`drawn-face` frames the drawings of one hand as `fewshot adapt` does."""

_WARNED = 10
"""Pictures left out that are named on the terminal; `Gathered.skipped` has them all."""


class Skipped(NamedTuple):
    """A picture that could not be used."""

    name: str
    """Its file name, or its name in the archive."""
    reason: str
    """Why, with the name and what was expected."""


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

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def hashes(self) -> tuple[str, ...]:
        """`eval.feature_cache.content_hash` of each picture, computed when first asked for."""
        return tuple(content_hash(picture) for picture in self.pixels)

    def rows(self, chosen: Sequence[int] | np.ndarray) -> Gathered:
        """Some of the pictures, by their rows."""
        names = tuple(self.names[row] for row in chosen)
        return Gathered(self.source, names, self.pixels[np.asarray(chosen, int)], self.skipped)


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
    an archive of the same files give the same pixels.

    Args:
        path: folder, .tar archive or pattern; a file or folder of that very name comes before the pattern.
        size: side of the squares, px; None takes the pictures as they are, which then have to be of one size
            (as torch-fidelity reads them, for numbers to compare with published ones).
        indices: which pictures, as `parse_indices` reads it; None takes all, held-out ones too.
        crop: how they become squares; `face` not in archives, `drawn-face` not without a size.

    Raises:
        NotFoundError: there is no such folder, archive or file.
        BadInputError: no picture in it can be used, or pictures of several sizes without `size`.
        UsageError: `indices` cannot be read, or faces in an archive.
    """
    wanted = parse_indices(indices) if indices else None
    source, files = _list(path, crop)
    chosen = [name for name in files if wanted is None or wanted(name)]
    if not chosen:
        raise BadInputError(
            f"{path}: none of its {len(files)} pictures is among --indices {indices}",
            f"its names run from {Path(files[0]).stem} to {Path(files[-1]).stem}",
        )
    found, skipped = _decode_all(path, chosen, size, crop)
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
    _check_one_size(path, found)
    names = tuple(Path(name).stem for name in found)
    return Gathered(source, names, np.stack(list(found.values())), tuple(skipped))


def gather_drawings(path: Path, size: int, crop: DrawingCrop = "face") -> Gathered:
    """One hand's drawings as `fewshot adapt` sees them, framed about their faces; else as `gather`."""
    return gather(path, size, crop="drawn-face" if crop == "face" else "center")


def _list(path: Path, crop: Framing) -> tuple[str, list[str]]:
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
    if not _is_archive(path):
        return path.resolve().name, [str(file) for file in list_pictures(path)]
    if crop == "face":
        raise UsageError(f"--crop face: {path} is an archive", "unpack it into a folder first")
    if not path.exists():
        raise NotFoundError(f"{path}: no such archive; expected a .tar of pictures", "check the spelling")
    names = sorted(list_names(path))
    if not names:
        raise BadInputError(f"{path}: no picture in it; expected files such as .png, .jpg or .webp")
    return path.name, names


def _is_archive(path: Path) -> bool:
    return path.suffix == ".tar" and not path.is_dir()


def _decode_all(
    path: Path, names: Sequence[str], size: int | None, crop: Framing
) -> tuple[dict[str, np.ndarray], list[Skipped]]:
    """Pictures `(3, S, S)` by name, in the order of the names, and those that cannot be read."""
    archive = _is_archive(path)

    def decode(item: tuple[str, bytes | None]) -> tuple[str, np.ndarray | Skipped]:
        name, data = item
        try:
            return name, _square(read_picture(path / name if archive else name, data).image, size, crop)
        except FewshotError as error:
            return name, Skipped(name if archive else Path(name).name, str(error))

    items = read_members(path, names) if archive else ((name, None) for name in names)
    # The face detector keeps state, so that threads cannot share it.
    results = dict(map(decode, items) if crop == "face" else in_parallel(decode, iter(items)))
    ordered = {name: results[name] for name in names if name in results}
    found = {name: result for name, result in ordered.items() if not isinstance(result, Skipped)}
    if crop == "drawn-face" and size is not None:
        framed = frame_drawings([picture.transpose(1, 2, 0) for picture in found.values()], size)
        found = {name: pixels.transpose(2, 0, 1) for name, pixels in zip(found, framed, strict=True)}
    return found, [result for result in ordered.values() if isinstance(result, Skipped)]


def _square(image: Image.Image, size: int | None, crop: Framing) -> np.ndarray:
    if crop == "face":
        from fewshot.inference.framing import frame

        image = frame(image).image
    if size is None:
        pixels = np.asarray(image)
    else:
        pixels = drawing_square(image, size) if crop == "drawn-face" else to_square(image, size)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _check_one_size(path: Path, pictures: Mapping[str, np.ndarray]) -> None:
    sizes: dict[str, str] = {}
    for name, picture in pictures.items():
        sizes.setdefault(f"{picture.shape[2]}x{picture.shape[1]}", Path(name).name)
    if len(sizes) > 1:
        found = ", ".join(f"{name} has {size}" for size, name in list(sizes.items())[:2])
        raise BadInputError(
            f"{path}: pictures of {len(sizes)} sizes ({found}); expected one size",
            "have them made squares of one size: --size 256",
        )


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

"""Files and members of archives to squares of one size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from fewshot.data.archives import read_members
from fewshot.data.drawing_framing import frame_drawings
from fewshot.data.drawing_page import drawing_square
from fewshot.data.parallel import in_parallel
from fewshot.data.pictures import read_picture, to_square
from fewshot.errors import BadInputError, FewshotError

Crop = Literal["auto", "center", "face"]
"""How a photo becomes a square: its middle, its largest face as `fewshot stylize` frames it, or as that does
where nothing is said, the face of a portrait and else the middle."""
Framing = Crop | Literal["drawn-face"]
"""`drawn-face` frames the drawings of one hand as `fewshot adapt` does."""

Pictures = dict[str, np.ndarray]
"""By name, uint8 `(3, H, W)`."""


class Skipped(NamedTuple):
    """A picture that could not be used."""

    name: str
    """Its file name, or its name in the archive."""
    reason: str
    """Why, with the name and what was expected."""


def is_archive(path: Path) -> bool:
    """By its name: a folder may be called so too."""
    return path.suffix == ".tar" and not path.is_dir()


def decode_all(
    path: Path, names: Sequence[str], size: int | None, crop: Framing
) -> tuple[Pictures, Pictures, list[Skipped]]:
    """Pictures `(3, S, S)` by name, in the order of the names, and those that cannot be read.

    Returns:
        The pictures; of drawings that are cut about their faces also the whole ones, else none; what was
        left out.
    """
    archive = is_archive(path)

    def decode(item: tuple[str, bytes | None]) -> tuple[str, np.ndarray | Skipped]:
        name, data = item
        try:
            return name, _square(read_picture(path / name if archive else name, data).image, size, crop)
        except FewshotError as error:
            return name, Skipped(name if archive else Path(name).name, str(error))

    items = read_members(path, names) if archive else ((name, None) for name in names)
    # The face detector keeps state, so that threads cannot share it.
    one_by_one = crop in ("auto", "face")
    results = dict(map(decode, items) if one_by_one else in_parallel(decode, iter(items)))
    ordered = {name: results[name] for name in names if name in results}
    found = {name: result for name, result in ordered.items() if not isinstance(result, Skipped)}
    skipped = [result for result in ordered.values() if isinstance(result, Skipped)]
    if crop != "drawn-face" or size is None:
        return found, {}, skipped
    squares = [picture.transpose(1, 2, 0) for picture in found.values()]
    cut = frame_drawings(squares, size)
    wholes = [to_square(Image.fromarray(square), size) for square in squares]
    return _by_name(found, cut), _by_name(found, wholes), skipped


def _by_name(names: Iterable[str], squares: Sequence[np.ndarray]) -> Pictures:
    return {name: _planes(square) for name, square in zip(names, squares, strict=True)}


def _square(image: Image.Image, size: int | None, crop: Framing) -> np.ndarray:
    if crop in ("auto", "face"):
        from fewshot.inference.detection import CascadeDetector
        from fewshot.inference.framing import frame, is_portrait

        faces = CascadeDetector().faces(image)
        if is_portrait(image, faces) or (crop == "face" and faces):
            image = frame(image, face=faces[0]).image
    if size is None:
        pixels = np.asarray(image)
    else:
        pixels = drawing_square(image, size) if crop == "drawn-face" else to_square(image, size)
    return _planes(pixels)


def _planes(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def check_one_size(path: Path, pictures: Mapping[str, np.ndarray]) -> None:
    sizes: dict[str, str] = {}
    for name, picture in pictures.items():
        sizes.setdefault(f"{picture.shape[2]}x{picture.shape[1]}", Path(name).name)
    if len(sizes) > 1:
        found = ", ".join(f"{name} has {size}" for size, name in list(sizes.items())[:2])
        raise BadInputError(
            f"{path}: pictures of {len(sizes)} sizes ({found}); expected one size",
            "have them made squares of one size: --size 256",
        )

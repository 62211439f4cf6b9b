"""Picture packs: folders or .tar archives decoded once into one uint8 array.

Training reads no files: a pack is decoded and resized once, kept in memory as uint8, cached on disk as
`.npy`, and augmented on the device. A 256 px pack of 3,400 pictures takes 670 MB, a 128 px one 167 MB.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.data.archives import list_names, read_members
from fewshot.data.parallel import in_parallel
from fewshot.data.pictures import read_picture
from fewshot.errors import BadInputError, FewshotError, NotFoundError
from fewshot.files import atomic_write
from fewshot.output import warn

_HELD_OUT_RANGES = {
    "photos_256": range(3300, 3400),
    "anime_256": range(3300, 3400),
    "facades_512x256": range(240, 300),
}


_NAMED = 10
"""Pictures that cannot be read and are named."""


@dataclass(frozen=True)
class Pack:
    """Pictures of one source at one size, in the order of their names."""

    source: str
    """File or folder name the pictures came from, without its path."""
    names: tuple[str, ...]
    """Name of each picture inside the source."""
    pixels: NDArray[np.uint8]
    """`(N, 3, S, S)`, RGB; may be memory-mapped. Nothing writes to it."""

    def __len__(self) -> int:
        return len(self.names)


def is_held_out(source: str, name: str) -> bool:
    """Whether a picture is reserved for the final measurement.

    Args:
        source: stem of the folder or archive, such as `photos_256`.
        name: the picture's name inside it, such as `photos_256/03312.webp`.

    True for anything under a folder whose name starts with `heldout`, and for the reserved index ranges of
    the shared picture packs (03300-03399 of photos_256 and anime_256, the last 60 façades).
    """
    parts = Path(name).parts
    if source.startswith("heldout") or any(part.startswith("heldout") for part in parts[:-1]):
        return True
    for pack in {source, *parts[:-1]} & _HELD_OUT_RANGES.keys():
        digits = re.fullmatch(r"\d+", Path(name).stem)
        if digits and int(digits.group()) in _HELD_OUT_RANGES[pack]:
            return True
    return False


def load_pack(
    source: Path,
    size: int,
    *,
    cache: Path | None = None,
    keep: Callable[[str, str], bool] | None = None,
    limit: int | None = None,
    within: str = "",
    frame: Callable[[Image.Image], Image.Image] | None = None,
) -> Pack:
    """Decode every picture of a folder or .tar archive, centre-cropped and resized to `size`.

    Pictures that cannot be read are left out; the first of them are named.

    Args:
        source: folder (read recursively) or .tar archive.
        size: side of the square pictures, in pixels.
        cache: folder for the decoded array; None keeps it in memory only.
        keep: `(source stem, picture name) -> bool`; default leaves out what `is_held_out`.
        limit: of more pictures, this many are taken, evenly spaced by name.
        within: only pictures under this folder of the source, such as `photos/photos_256`.
        frame: cuts each picture before; what it cuts is not cached.

    Raises:
        NotFoundError: the source does not exist.
        BadInputError: it (or `within`) holds no readable picture, or is no intact archive.
    """
    if not source.exists():
        raise NotFoundError(f"{source} does not exist", "give a folder of pictures or a .tar archive of them")
    found = sorted({name for name in list_names(source) if not within or name.startswith(f"{within}/")})
    names = [name for name in found if (keep or _may_be_trained_on)(source_stem(source), name)]
    if not names:
        held = f"all {len(found)} are held out" if keep is None else f"none of {len(found)} was asked for"
        raise BadInputError(
            f"{_label(source, within)} holds no picture to take ({held if found else 'found none'})",
            "expected files such as .png, .jpg or .webp",
        )
    if limit is not None and len(names) > limit:
        names = [names[i * len(names) // limit] for i in range(limit)]
    cached = None
    if cache and not frame:
        cached = cache / f"{source.stem}-{size}-{_cache_key(source, size, names)}.npy"
    pixels = _read_cache(cached, (len(names), 3, size, size))
    if pixels is not None:
        return Pack(_label(source, within), tuple(names), pixels)
    kept, pixels, lost = _decode_all(source, names, size, frame)
    listed = "".join(f"\n  {reason}" for reason in lost[:_NAMED]) + "\n  …" * (len(lost) > _NAMED)
    if not kept:
        raise BadInputError(f"no picture in {source} could be read{listed}", "run `fewshot check` on it")
    if lost:
        warn(f"{source}: {len(lost)} of {len(names)} pictures cannot be read and are left out{listed}")
    elif cached is not None:
        atomic_write(cached, lambda handle: np.save(handle, pixels))
    return Pack(_label(source, within), tuple(kept), pixels)


def _may_be_trained_on(stem: str, name: str) -> bool:
    return not is_held_out(stem, name)


def _label(source: Path, within: str) -> str:
    return f"{source.name}/{within}" if within else source.name


def source_stem(source: Path) -> str:
    """The source's stem, or the held-out folder that it lies in."""
    above = (part for path in (source, source.resolve()) for part in path.parent.parts)
    return next((part for part in above if part.startswith("heldout")), source.stem)


def _cache_key(source: Path, size: int, names: Sequence[str]) -> str:
    stat = source.stat()
    parts: tuple[object, ...] = (source.resolve(), stat.st_mtime_ns, stat.st_size, size, names)
    if source.is_dir():
        # A folder's own time does not tell that a picture in it was edited.
        parts += tuple((s.st_mtime_ns, s.st_size) for s in ((source / name).stat() for name in names))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _read_cache(path: Path | None, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The cached array, or None where it has to be made (again)."""
    if path is None or not path.exists():
        return None
    try:
        # Copy-on-write: torch wants memory it could write to, although nothing does.
        pixels = np.load(path, mmap_mode="c")
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None


def _decode_all(
    source: Path, names: Sequence[str], size: int, frame: Callable[[Image.Image], Image.Image] | None
) -> tuple[list[str], NDArray[np.uint8], list[str]]:
    """Decode on all cores (Pillow releases the GIL), straight into one array; why others cannot be."""
    rows = {name: row for row, name in enumerate(names)}
    pixels = np.empty((len(names), 3, size, size), np.uint8)
    read = np.zeros(len(names), bool)

    reasons: dict[str, str] = {}

    def decode(item: tuple[str, bytes]) -> None:
        name, data = item
        try:
            image = read_picture(name, data, least_side=1).image
        except FewshotError as error:
            reasons[name] = str(error)
            return
        pixels[rows[name]] = _square(frame(image) if frame else image, size)
        read[rows[name]] = True

    for _ in in_parallel(decode, read_members(source, names)):
        pass
    kept = [name for name, row in rows.items() if read[row]]
    return kept, pixels if read.all() else pixels[read], [reasons[name] for name in names if name in reasons]


def _square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The middle square `(3, size, size)`."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box=box)).transpose(2, 0, 1)

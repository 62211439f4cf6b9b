"""The training pack: aligned, cleaned pictures of all sources in one .tar that fits an upload limit.

    pack.json                                    counts, weights, what was left out, geometry
    drawings/<source stem>/<name>.webp
    photos/<source stem>/<name>.webp

`load_pack(path, size, within="photos/<source stem>")` reads one group of it.
"""

from __future__ import annotations

import bisect
import functools
import io
import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fewshot.data.align import EYES, EYES_TO_MOUTH, align
from fewshot.data.archives import INDEX_NAME, free_name, read_pack_index, tar_bytes
from fewshot.data.clean import cut_frame
from fewshot.data.pack_inspect import (
    Finders,
    Inspected,
    Kept,
    Side,
    decode,
    inspect,
    middle_square,
    thin,
)
from fewshot.data.packs import source_stem
from fewshot.data.parallel import in_parallel
from fewshot.errors import BadInputError, ConflictError, NotFoundError, UsageError
from fewshot.files import atomic_write_bytes
from fewshot.output import progress

QUALITIES = range(60, 91)
"""WebP qualities that may be used."""

_MARGIN = 9 / 8
"""Enlargement over the source's own px up to which a picture is written at the wanted size."""

_SAMPLE = 64
_MEMBER_OVERHEAD = 512 + 256
_FEWEST = 2000
"""Pictures of a low-resolution source that stay before the others are thinned as well."""


@dataclass(frozen=True)
class PackSource:
    """One folder or archive that goes into a pack."""

    path: Path
    """Folder or .tar archive."""
    side: Side
    """`photos` or `drawings`."""
    weight: float
    """How often it is drawn from, relative to the others of its side."""

    @property
    def group(self) -> str:
        """Folder inside the pack, such as `photos/photos_256`."""
        return f"{self.side}/{source_stem(self.path)}"


@dataclass(frozen=True)
class Group:
    """Pictures of one source inside a pack."""

    name: str
    """Folder inside the pack, such as `photos/photos_256`: `within` of `load_pack`."""
    weight: float
    """How often it is drawn from, relative to the others of its side."""
    count: int
    """Number of pictures."""
    px: int
    """Their side."""


@dataclass(frozen=True)
class TrainingPack:
    """A pack as training needs it."""

    path: Path
    """The .tar file."""
    size: int
    """Side that the sharp pictures were written at, px."""
    photos: tuple[Group, ...]
    """Side A."""
    drawings: tuple[Group, ...]
    """Side B."""
    index: dict[str, Any]
    """All of `pack.json`."""


def open_training_pack(path: Path) -> TrainingPack:
    """Read what a pack holds, without its pictures.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: it is no training pack.
    """
    index = read_pack_index(path)
    try:
        groups = [
            Group(g["name"], float(g["weight"]), int(g["count"]), int(g["px"])) for g in index["groups"]
        ]
        size = int(index["size"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{path}: pack.json is not one of a training pack ({error!r})", "make it with `fewshot base pack`"
        ) from None
    photos = tuple(group for group in groups if group.name.startswith("photos/"))
    drawings = tuple(group for group in groups if group.name.startswith("drawings/"))
    return TrainingPack(path, size, photos, drawings, index)


def write_training_pack(
    sources: Sequence[PackSource], out: Path, finders: Finders, *, size: int = 288, limit_mb: float = 55
) -> TrainingPack:
    """Clean, align and pack pictures; the same input gives the same bytes.

    Args:
        sources: of both sides.
        out: the .tar file; replaced if it exists.
        finders: the face detectors.
        size: side of the written pictures, px. Sources with clearly fewer px keep their own.
        limit_mb: what the file is made to fit in, in 10⁶ bytes, judged by a sample of the pictures. First the
            WebP quality goes down from 90 to 60, then pictures are left out, evenly, those of low resolution
            first.

    Raises:
        UsageError: two sources would have one name, or a side is missing.
        NotFoundError, ConflictError: a source does not exist, or is `out`.
        BadInputError: a source has no usable picture.
    """
    _check(sources, out)
    with progress("look at pictures", 0) as bar:
        looked = [inspect(source.path, source.side, finders, bar) for source in sources]
    pixels = [size if found.px * _MARGIN >= size else found.px for found in looked]
    quality, counts = _fit(looked, pixels, limit_mb * 1e6 * 0.97)
    chosen = [thin(found.kept, count) for found, count in zip(looked, counts, strict=True)]
    files: dict[str, bytes] = {}
    with progress(f"write pictures, WebP quality {quality}", sum(map(len, chosen))) as bar:
        for source, kept, side in zip(sources, chosen, pixels, strict=True):
            pack = functools.partial(_encode, size=side, quality=quality)
            for picture, data in zip(kept, in_parallel(pack, iter(kept)), strict=True):
                files[_name(files, source, picture.name)] = data
                bar.update(bar.done + 1)
    index = _index(sources, looked, pixels, chosen, size, quality)
    contents = {INDEX_NAME: json.dumps(index, indent=1).encode(), **files}
    atomic_write_bytes(out, tar_bytes(contents))
    return open_training_pack(out)


def _check(sources: Sequence[PackSource], out: Path) -> None:
    for side in ("photos", "drawings"):
        if not any(source.side == side for source in sources):
            raise UsageError(f"there are no {side}", f"add --{side} PATH")
    for source in sources:
        if not source.path.exists():
            raise NotFoundError(f"{source.path} does not exist", "give a folder or a .tar of pictures")
        if source.path.resolve() == out.resolve():
            raise ConflictError(f"{out} is one of the sources and would be replaced", "choose another name")
    groups = [source.group for source in sources]
    if twice := sorted({group for group in groups if groups.count(group) > 1}):
        raise UsageError(f"two sources would both be {twice[0]} in the pack", "rename one of them")


def _encode(picture: Kept, *, size: int, quality: int) -> bytes:
    decoded = decode(picture.name, picture.data)
    assert decoded is not None
    aligned = align(middle_square(cut_frame(decoded)), picture.place, size)
    buffer = io.BytesIO()
    Image.fromarray(aligned).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def _fit(looked: Sequence[Inspected], pixels: Sequence[int], limit: float) -> tuple[int, list[int]]:
    """Quality, and how many pictures of each source fit into `limit` bytes, judged by a sample of each."""
    counts = [len(found.kept) for found in looked]

    def mean_bytes(quality: int) -> npt.NDArray[np.float64]:
        return np.array([_mean_bytes(f, px, quality) for f, px in zip(looked, pixels, strict=True)])

    above = bisect.bisect_right(QUALITIES, limit, key=lambda quality: float(mean_bytes(quality) @ counts))
    if above:
        return QUALITIES[above - 1], counts
    mean = mean_bytes(QUALITIES[0])
    low = np.array(pixels) < max(pixels)
    sizes = mean * counts
    share = np.ones(len(counts))
    if low.any() and sizes[low].sum() > 0:
        room = (limit - sizes[~low].sum()) / sizes[low].sum()
        share[low] = np.clip(room, np.minimum(1, _FEWEST / np.array(counts)[low]), 1)
    share *= min(1.0, limit / float(sizes @ share))
    return QUALITIES[0], [max(1, int(count * part)) for count, part in zip(counts, share, strict=True)]


def _mean_bytes(found: Inspected, size: int, quality: int) -> float:
    sample = thin(found.kept, _SAMPLE)
    encode = functools.partial(_encode, size=size, quality=quality)
    return sum(map(len, in_parallel(encode, iter(sample)))) / len(sample) + _MEMBER_OVERHEAD


def _name(taken: Container[str], source: PackSource, name: str) -> str:
    """Of a picture in the pack; folders become part of it."""
    parts = Path(name).with_suffix("").parts
    inner = parts[1:] if len(parts) > 1 and parts[0] == source_stem(source.path) else parts
    return free_name(taken, source.group, "__".join(inner), ".webp")


def _index(
    sources: Sequence[PackSource],
    looked: Sequence[Inspected],
    pixels: Sequence[int],
    chosen: Sequence[Sequence[Kept]],
    size: int,
    quality: int,
) -> dict[str, Any]:
    rows = zip(sources, looked, pixels, chosen, strict=True)
    return {
        "size": size,
        "quality": quality,
        "geometry": {"eyes": EYES, "eyes_to_mouth": EYES_TO_MOUTH, "border": "mirrored"},
        "groups": [
            {
                "name": source.group,
                "weight": source.weight,
                "count": len(kept),
                "px": px,
                "no_face_found": sum(not picture.found for picture in kept),
                "frames_cut": found.cropped,
                "left_out": found.left_out | _thinned(found, kept),
            }
            for source, found, px, kept in rows
        ],
    }


def _thinned(found: Inspected, kept: Sequence[Kept]) -> dict[str, int]:
    count = len(found.kept) - len(kept)
    return {"over the limit": count} if count else {}

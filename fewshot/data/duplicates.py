"""Find pictures that are the same, or nearly: exact by content hash, near by a small colour thumbnail.

Mirrored copies are found too. A 256-bit difference hash was tried and dropped: JPEG copies of flat drawings
differed by up to 17 bits, different figures with the same body by 12. The cells of a 32x32 thumbnail leave a
gap: on nine artists, copies at 70 % size and JPEG quality 60 stay within 9 grey levels and different drawings
start at 33. A cropped copy may be missed. Figures that differ by the eyelids alone are found too
(16 of the 47 in `afensorm`), so near copies are reported and never dropped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_CELLS = 32
_BLOCKS = 8

NEAR_LEVELS = 20.0
"""Grey levels (of 255) that 98 % of the cells of two copies stay within."""

NEAR_SHARE = 0.2
"""Mean difference as a share of the picture's own spread, so that two sparse sketches on white do not pass as
one."""


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is compared of one picture."""

    hash: str
    """Content hash; equal means equal pixels."""
    cells: NDArray[np.float32]
    """`(32, 32, 3)` cell means in [0, 255]."""


@dataclass(frozen=True)
class Twin:
    """One picture that repeats an earlier one."""

    index: int
    """Which picture."""
    of: int
    """The earlier picture it repeats."""
    kind: Literal["same", "near", "mirrored"]
    """Equal pixels, nearly equal, or nearly equal once flipped left to right."""


def fingerprint(image: Image.Image, content: str) -> Fingerprint:
    """The fingerprint of an RGB picture whose content hash is `content`."""
    small = image.resize((_CELLS, _CELLS), Image.Resampling.BILINEAR)
    return Fingerprint(content, np.asarray(small, dtype=np.float32))


def find_twins(prints: Sequence[Fingerprint]) -> list[Twin]:
    """Every picture that repeats an earlier one, each once, exact before near before mirrored."""
    twins: list[Twin] = []
    first: dict[str, int] = {}
    for i, found in enumerate(_near_ones(prints)):
        if first.setdefault(prints[i].hash, i) != i:
            twins.append(Twin(i, first[prints[i].hash], "same"))
        elif found:
            _, kind, other = min(found, key=lambda one: (one[1] == "mirrored", one[0]))
            twins.append(Twin(i, other, kind))
    return twins


def near_pairs(prints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Every two pictures of which the second nearly repeats the first, as it is or mirrored."""
    return [(other, i) for i, found in enumerate(_near_ones(prints)) for _, _, other in found]


def _near_ones(
    prints: Sequence[Fingerprint],
) -> Iterator[list[tuple[float, Literal["near", "mirrored"], int]]]:
    """For each picture all earlier ones that it nearly repeats: how far at worst, in which way, and which."""
    if not prints:
        return
    cells = np.stack([one.cells for one in prints])
    # The mean of a block differs by no more than its cells do, so most pictures need no closer look.
    block = _CELLS // _BLOCKS
    coarse = cells.reshape(len(cells), _BLOCKS, block, _BLOCKS, block, 3).mean(axis=(2, 4))
    for i, new in enumerate(cells):
        most = NEAR_SHARE * float(np.abs(new - np.median(new, axis=(0, 1))).max(axis=-1).mean())
        found: list[tuple[float, Literal["near", "mirrored"], int]] = []
        kinds: tuple[Literal["near", "mirrored"], ...] = ("near", "mirrored")
        for kind in kinds:
            turned, small = (new, coarse[i]) if kind == "near" else (new[:, ::-1], coarse[i, :, ::-1])
            others = np.flatnonzero(np.abs(coarse[:i] - small).mean(axis=(1, 2, 3)) <= most + 1e-3)
            gaps = np.abs(cells[others] - turned).max(axis=-1).reshape(len(others), _CELLS**2)
            close = gaps.mean(axis=1) <= most
            for other, gap in zip(others[close], gaps[close], strict=True):
                if (worst := float(np.percentile(gap, 98))) <= NEAR_LEVELS:
                    found.append((worst, kind, int(other)))
        yield found

"""Find pictures that are the same, or nearly: exact by content hash, near by a small colour thumbnail.

Mirrored copies are found too. A 256-bit difference hash was tried and dropped: JPEG copies of flat drawings
differed by up to 17 bits, different figures with the same body by 12. The cells of a 32x32 thumbnail leave a
gap: on nine artists, copies at 70 % size and JPEG quality 60 stay within 9 grey levels and different drawings
start at 33. A cropped copy may be missed. Figures that differ by the eyelids alone are found too
(16 of the 47 in `afensorm`), so near copies are reported and never dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_CELLS = 32

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
    for i, new in enumerate(prints):
        if first.setdefault(new.hash, i) != i:
            twins.append(Twin(i, first[new.hash], "same"))
            continue
        earlier = (
            np.stack([p.cells for p in prints[:i]]) if i else np.empty((0, _CELLS, _CELLS, 3), np.float32)
        )
        near, flipped = _nearest(earlier, new.cells), _nearest(earlier, new.cells[:, ::-1])
        if near is not None:
            twins.append(Twin(i, near, "near"))
        elif flipped is not None:
            twins.append(Twin(i, flipped, "mirrored"))
    return twins


def _nearest(earlier: NDArray[np.float32], cells: NDArray[np.float32]) -> int | None:
    if not len(earlier):
        return None
    gaps = np.abs(earlier - cells).max(axis=-1).reshape(len(earlier), -1)
    own = float(np.abs(cells - np.median(cells, axis=(0, 1))).max(axis=-1).mean())
    worst = np.percentile(gaps, 98, axis=1)
    fits = (worst <= NEAR_LEVELS) & (gaps.mean(axis=1) <= NEAR_SHARE * own)
    return int(np.argmin(np.where(fits, worst, np.inf))) if fits.any() else None

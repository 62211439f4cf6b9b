"""What is wrong with a picture of a training set: grey, framed, a copy of another.

Unlike `fewshot check`, which reports on a few drawings of one artist, this decides alone over tens of
thousands.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fewshot.data.duplicates import NEAR_LEVELS, NEAR_SHARE

GREY_LEVELS = 8.0
"""Mean gap between the largest and the smallest channel, in grey levels, under which a picture is grey.
6 % of the selfies, 0.6 % of the news photos and 2 % of the fan art lie below; few lie between 7 and 9."""

MAX_FRAME = 0.25
"""Share of the shorter side that a frame may take; a picture with a wider one is left out."""

_CELLS = 32
_COARSE = 8
_BLOCK = 1024
_FLAT_LEVELS = 8.0
_EDGE_LEVELS = 12.0
_EDGE_SHARE = 0.7


def is_grey(picture: NDArray[np.uint8]) -> bool:
    """Whether `(H, W, 3)` RGB is black and white, perhaps toned."""
    values = picture[::2, ::2].reshape(-1, 3).astype(np.float32)
    # A sepia or blue tone shifts all pixels by much the same; it is no colour.
    values = values - values.mean(axis=0)
    return float((values.max(axis=1) - values.min(axis=1)).mean()) < GREY_LEVELS


def cut_frame(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(H, W, 3)` without a flat frame or letterbox; the picture itself where there is none.

    A frame ends along a straight line; a plain background behind a head does not, and is no frame.
    """
    height, width = picture.shape[:2]
    turned = picture.transpose(1, 0, 2)
    top, bottom = _strip(picture), _strip(picture[::-1])
    left, right = _strip(turned), _strip(turned[::-1])
    return picture[top : max(top, height - bottom), left : max(left, width - right)]


def _strip(picture: NDArray[np.uint8]) -> int:
    """Rows of one colour at the top that end in a straight edge."""
    colour = np.median(picture[0], axis=0)
    rows = 0
    # Row by row: most pictures end at the first.
    for row in picture:
        if np.percentile(_gaps(row, colour), 98) > _FLAT_LEVELS:
            break
        rows += 1
    if rows == len(picture) or rows < 2:
        return rows if rows == len(picture) else 0
    # Compression blurs the line over up to one block of 16 px.
    ahead = _gaps(picture[rows : rows + max(3, min(16, len(picture) // 16))], colour) > _EDGE_LEVELS
    straight = np.flatnonzero(ahead.mean(axis=1) >= _EDGE_SHARE)
    return rows + int(straight[0]) + 1 if len(straight) else 0


def _gaps(pixels: NDArray[np.uint8], colour: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.abs(pixels - colour.astype(np.float32)).max(axis=-1)


def cells(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(32, 32, 3)` thumbnail for `find_copies`."""
    import cv2

    return cv2.resize(picture, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)


def find_copies(thumbnails: Sequence[NDArray[np.uint8]]) -> dict[int, int]:
    """Pictures that repeat an earlier one: index to the index of the earlier.

    The rule of `duplicates.find_twins` without mirrored copies (training mirrors anyway), made fast for tens
    of thousands: only pairs whose 8×8 thumbnails are near are compared cell by cell.
    """
    if not thumbnails:
        return {}
    fine = np.stack(thumbnails)
    pool = _CELLS // _COARSE
    coarse = fine.reshape(len(fine), _COARSE, pool, _COARSE, pool, 3).mean(axis=(2, 4), dtype=np.float32)
    coarse = coarse.reshape(len(fine), -1)
    squares = (coarse**2).sum(axis=1)
    limit = NEAR_LEVELS**2 * coarse.shape[1]
    copies: dict[int, int] = {}
    for start in range(0, len(fine), _BLOCK):
        block = coarse[start : start + _BLOCK]
        earlier = coarse[: start + len(block)]
        gaps = squares[start : start + len(block), None] + squares[: len(earlier)] - 2 * block @ earlier.T
        for row, column in np.argwhere(gaps <= limit):
            one, other = start + int(row), int(column)
            if other < one and one not in copies and other not in copies and _same(fine[one], fine[other]):
                copies[one] = other
    return copies


def _same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    one, other = one.astype(np.float32), other.astype(np.float32)
    gaps = np.abs(one - other).max(axis=-1)
    own = float(np.abs(one - np.median(one, axis=(0, 1))).max(axis=-1).mean())
    return bool(gaps.mean() <= NEAR_SHARE * own and np.percentile(gaps, 98) <= NEAR_LEVELS)

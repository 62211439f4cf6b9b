"""Which square of a page a drawing's head is in: artists draw on upright paper, and heads at its top."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.data.drawing_framing import LARGEST, LOOK, faces_seen
from fewshot.data.face_window import EYES_AT
from fewshot.data.pictures import to_square

LONG = 1.3
"""Longer side over the shorter from which on the middle square is not simply taken."""
_STEP = 0.2
"""Between the squares of a page that are looked at, in their sides, at most."""
_MOST = 41
"""Squares that are looked at, an odd number: of what is longer yet, they are further apart."""


def drawing_square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """A square of an RGB drawing, with pixels enough to cut `(size, size, 3)` out of it.

    It is the middle, or on a long page the part in which a face is seen, its eyes as high as a portrait has
    them where the page reaches so far.
    """
    if max(image.size) >= LONG * min(image.size):
        image = image.crop(_square_with_face(image))
    return to_square(image, max(size, min(*image.size, round(LARGEST * size))))


def _square_with_face(image: Image.Image) -> tuple[float, float, float, float]:
    side, spare = min(image.size), max(image.size) - min(image.size)
    # An odd number, so that the middle is one of them.
    count = min(2 * math.ceil(spare / (2 * _STEP * side)) + 1, _MOST)
    starts = [spare * place / (count - 1) for place in range(count)]
    middle, upright = starts[count // 2], image.height > image.width
    looks = [
        np.asarray(image.resize((LOOK, LOOK), Image.Resampling.BILINEAR, _box(start, side, upright), 3.0))
        for start in starts
    ]
    seen = [(face, start) for face, start in zip(faces_seen(looks), starts, strict=True) if face is not None]
    if not seen:
        return _box(round(middle), side, upright)
    face, start = max(seen, key=lambda one: (one[0].sureness, -abs(one[1] - middle)))
    along = int(upright)
    start = float(np.clip(start + (face.eyes[along] - EYES_AT[along]) * side, 0, spare))
    return _box(round(start), side, upright)


def _box(start: float, side: int, upright: bool) -> tuple[float, float, float, float]:
    return (0.0, start, float(side), start + side) if upright else (start, 0.0, start + side, float(side))

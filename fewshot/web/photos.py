"""Pictures in and out: decoded within limits, framed, and written without metadata."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from fewshot.data.pictures import read_picture
from fewshot.inference.framing import frame
from fewshot.web.pool import Pixels

MOST_SIDE = 1600
"""Longest side of a photo, px: larger ones are scaled down first; a 10x15 print has 1,772 px."""
SHOWN = 256
"""Side of the square about a face, px; the engine brings it to its own size."""

_ENCODING: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 4},
    "webp": {"quality": 92, "method": 2},
    "jpeg": {"quality": 93, "subsampling": 0},
}


@cache
def sample_portrait() -> Pixels:
    """Scikit-image's astronaut (NASA, public domain), framed, `(3, S, S)`."""
    from skimage.data import astronaut

    image = frame(Image.fromarray(astronaut())).image.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def read_photo(data: bytes, most_pixels: int) -> Image.Image:
    """Decode a photo, its longer side brought down to `MOST_SIDE` px; raises as `read_picture` does."""
    image = read_picture("photo", data, most_pixels).image
    scale = MOST_SIDE / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image


def encode(pixels: np.ndarray, kind: str) -> bytes:
    """A picture `(H, W, 3)` as a file without metadata."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, kind.upper(), **_ENCODING[kind])
    return out.getvalue()

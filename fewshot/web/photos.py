"""Pictures in and out: decoded within limits, framed, and written without metadata."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

from fewshot.data.pictures import read_picture
from fewshot.inference.framing import frame
from fewshot.inference.levelling import head_roll
from fewshot.inference.light import face_light
from fewshot.inference.print_layout import DPI, Paper, Sheet
from fewshot.inference.printing import page_of
from fewshot.web.pool import Pixels

if TYPE_CHECKING:
    from fewshot.inference.detection import FaceBox

PHOTOS = ("JPEG", "PNG", "WEBP")
"""What is opened: the formats of cameras and browsers, whose frames need no counting."""
MOST_SIDE = 1600
"""Longest side of a photo, px: larger ones are scaled down first; a 10x15 print has 1,772 px."""
MOST_PRINTED = 16_000_000
"""Pixels of what is printed: drawings are smaller than photos."""
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


def read_photo(data: bytes, most_pixels: int, formats: tuple[str, ...] = PHOTOS) -> Image.Image:
    """Decode a photo, its longer side brought down to `MOST_SIDE` px; raises as `read_picture` does."""
    image = read_picture("photo", data, most_pixels, formats).image
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


def square_of(
    image: Image.Image, faces: Sequence[FaceBox], *, mend_light: bool
) -> tuple[Pixels, float, tuple[float, float, float, float]]:
    """The largest face, or the middle, as an engine is to see it, `(3, S, S)`; the degrees by which it is to
    be turned; and where it lies in the photo: left, top, right, bottom in shares of its sides."""
    framed = frame(image, "face", faces[0]) if faces else frame(image, "center")
    square = np.asarray(framed.image.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS, reducing_gap=3.0))
    if faces and mend_light:
        square = face_light(square).mend(square)
    (left, top, right, bottom), (width, height) = framed.box, image.size
    box = (left / width, top / height, right / width, bottom / height)
    return square.transpose(2, 0, 1), head_roll(faces, framed.box), box


def pdf_of(drawing: bytes, paper: Paper) -> bytes:
    """A drawing's file on photo paper, as a PDF; raises as `read_photo` does."""
    out = io.BytesIO()
    page = page_of(read_photo(drawing, MOST_PRINTED), Sheet(paper=paper))
    page.save(out, "PDF", resolution=DPI, quality=95, title="portrait", producer="fewshot-style")
    return out.getvalue()


def larger(drawing: Pixels, size: int | None) -> Pixels:
    """A square drawing `(S, S, 3)` at another side, itself where none is given."""
    if size is None:
        return drawing
    return np.asarray(cv2.resize(drawing, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)

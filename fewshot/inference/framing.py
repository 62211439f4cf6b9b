"""Square framing of a photo for a face model, so that it looks like the selfies the base was trained on.

Measured with the same detector on the training selfies: the face box fills 0.73 of the picture's side (10 %
to 90 %: 0.61 to 0.81) and its centre lies at 0.50 across and 0.45 down. The window here is a little looser
than the median, so that hair and chin are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from fewshot.inference.detection import CascadeDetector, FaceBox

Mode = Literal["face", "center"]

WINDOW = 1.5
"""Side of the window in face boxes."""
FACE_HEIGHT = 0.45
"""Where the centre of the face lies in the window, from the top."""
SELFIE_SIDE = 300
"""Square pictures up to this side, px, may be framed already, as the training pictures are."""
SELFIE_FACE = 0.5
"""From this share of the side on, the face of such a picture is large enough to use the picture whole."""

PORTRAIT = 0.85
"""Share of the shorter side that a face's window takes in a picture that is called a portrait."""

SECOND = 0.6
"""Side of another face, in sides of the largest, from which on a picture shows two people."""

_SHIFT = 0.1


@dataclass(frozen=True)
class Framed:
    """A square cut-out and where it comes from."""

    image: Image.Image
    """Square, RGB, in the picture's own resolution."""
    box: tuple[int, int, int, int]
    """Left, top, right, bottom in px of the picture; reaches outside where the border was mirrored."""
    found: bool
    """Whether a face decided the box."""


def frame(image: Image.Image, mode: Mode = "face", face: FaceBox | None = None) -> Framed:
    """Cut a square out of an RGB picture of any size.

    Args:
        image: RGB.
        mode: `face` frames the largest face like a selfie and falls back to the middle; `center` takes the
            middle.
        face: the face, where it is known; else it is looked for with the cascades.
    """
    width, height = image.size
    if mode == "center":
        return _cut(image, _middle(width, height), found=False)
    face = face or find_face(image)
    if face is None:
        return _cut(image, _middle(width, height), found=False)
    if width == height <= SELFIE_SIDE and face.side >= SELFIE_FACE * width:
        return _cut(image, (0, 0, width, height), found=True)
    return _cut(image, _window(*face.centre, face.side, width, height), found=True)


def is_portrait(image: Image.Image, faces: Sequence[FaceBox]) -> bool:
    """Whether the largest face's window takes most of the picture and nobody else is left out by it.

    Args:
        image: RGB.
        faces: in it, the largest first.
    """
    if not faces or WINDOW * faces[0].side < PORTRAIT * min(image.size):
        return False
    left, top, right, bottom = _window(*faces[0].centre, faces[0].side, *image.size)

    def is_left_out(face: FaceBox) -> bool:
        x, y = face.centre
        return face.side >= SECOND * faces[0].side and not (left <= x <= right and top <= y <= bottom)

    return not any(map(is_left_out, faces[1:]))


def find_face(image: Image.Image) -> FaceBox | None:
    """The largest face by `detection.CascadeDetector`; None without one."""
    return next(iter(CascadeDetector().faces(image)), None)


def _middle(width: int, height: int) -> tuple[int, int, int, int]:
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _window(x: float, y: float, face: float, width: int, height: int) -> tuple[int, int, int, int]:
    side = max(1, round(WINDOW * face))
    left = _nearer(x - side / 2, side, width)
    top = _nearer(y - FACE_HEIGHT * side, side, height)
    return left, top, left + side, top + side


def _nearer(start: float, side: int, limit: int) -> int:
    """Move a window that runs off the picture back by at most a tenth of its side."""
    inside = min(max(start, 0.0), max(limit - side, 0.0))
    return round(start + min(max(inside - start, -_SHIFT * side), _SHIFT * side))


def _cut(image: Image.Image, box: tuple[int, int, int, int], *, found: bool) -> Framed:
    left, top, right, bottom = box
    inner = (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height))
    cut = image.crop(inner)
    if inner != box:
        margins = ((inner[1] - top, bottom - inner[3]), (inner[0] - left, right - inner[2]), (0, 0))
        # The whole picture is at hand for mirroring only where the window ends at its border, so mirror the
        # cut-out.
        cut = Image.fromarray(np.pad(np.asarray(cut), margins, mode="symmetric"))
    return Framed(cut, box, found)

"""Square framing of a photo for a face model, so that it looks like the selfies the base was trained on.

Measured with the same detector on the training selfies: the face box fills 0.73 of the picture's side (10 %
to 90 %: 0.61 to 0.81) and its centre lies at 0.50 across and 0.45 down. The window here is a little looser
than the median, so that hair and chin are kept.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mode = Literal["face", "center"]

WINDOW = 1.5
"""Side of the window in face boxes."""
FACE_HEIGHT = 0.45
"""Where the centre of the face lies in the window, from the top."""
SELFIE_SIDE = 300
"""Square pictures up to this side, px, may be framed already, as the training pictures are."""
SELFIE_FACE = 0.5
"""From this share of the side on, the face of such a picture is large enough to use the picture whole."""

_SEARCH_SIDE = 480
_SMALLEST_FACE = 0.06
_SHIFT = 0.1

# OpenCV's classifiers keep state while they search.
_lock = threading.Lock()


@dataclass(frozen=True)
class Framed:
    """A square cut-out and where it comes from."""

    image: Image.Image
    """Square, RGB, in the picture's own resolution."""
    box: tuple[int, int, int, int]
    """Left, top, right, bottom in px of the picture; reaches outside where the border was mirrored."""
    found: bool
    """Whether a face decided the box."""


def frame(image: Image.Image, mode: Mode = "face") -> Framed:
    """Cut a square out of an RGB picture of any size.

    Args:
        image: RGB.
        mode: `face` frames the largest face like a selfie and falls back to the middle; `center` takes the
            middle.
    """
    width, height = image.size
    if mode == "center":
        return _cut(image, _middle(width, height), found=False)
    face = find_face(image)
    if face is None:
        return _cut(image, _middle(width, height), found=False)
    x, y, side = face
    if width == height <= SELFIE_SIDE and side >= SELFIE_FACE * width:
        return _cut(image, (0, 0, width, height), found=True)
    return _cut(image, _window(x + side / 2, y + side / 2, side, width, height), found=True)


def find_face(image: Image.Image) -> tuple[float, float, float] | None:
    """Left, top and side in px of the largest face: frontal first, then either profile; None without one.

    Detector: the Haar cascades that OpenCV 4 carries (`frontalface_alt`, `profileface`), on at most 480 px.
    """
    scale = min(1.0, _SEARCH_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    grey = np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0).convert("L"))
    grey = np.asarray(cv2.equalizeHist(grey), dtype=np.uint8)
    found = _search("haarcascade_frontalface_alt.xml", grey)
    if found is None:
        candidates = [_search("haarcascade_profileface.xml", grey)]
        mirrored = _search("haarcascade_profileface.xml", np.ascontiguousarray(grey[:, ::-1]))
        if mirrored is not None:
            x, y, side = mirrored
            candidates.append((size[0] - x - side, y, side))
        found = max((c for c in candidates if c is not None), key=lambda c: c[2], default=None)
    if found is None:
        return None
    return found[0] / scale, found[1] / scale, found[2] / scale


def _search(cascade: str, grey: NDArray[np.uint8]) -> tuple[int, int, int] | None:
    smallest = max(24, round(_SMALLEST_FACE * min(grey.shape)))
    with _lock:
        boxes = _classifier(cascade).detectMultiScale(grey, 1.1, 4, minSize=(smallest, smallest))
    if len(boxes) == 0:
        return None
    x, y, width, height = max(boxes, key=lambda box: int(box[2]) * int(box[3]))
    return int(x), int(y), int(max(width, height))


@cache
def _classifier(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / name))


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

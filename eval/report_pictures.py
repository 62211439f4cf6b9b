"""Pictures inside a report: small, in the page itself, each with words for those who do not see it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.errors import EvalError

SIDE = 112
"""Side of a picture in the page, px: sharp at the sizes it is shown at on a phone, a few KB."""
_QUALITY = 80


@dataclass(frozen=True)
class Picture:
    """One picture of a report."""

    pixels: NDArray[np.uint8] = field(repr=False)
    """uint8 RGB `(3, H, W)`."""
    alt: str
    """What it is, in words."""
    caption: str = ""
    """Shown under it."""
    marked: bool = False
    """Whether it is to catch the eye: a copy, another person."""

    @property
    def source(self) -> str:
        """The picture as a `data:` address."""
        return data_uri(self.pixels)


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures under common headings."""

    template: ClassVar[str] = "gallery.html"
    title: str
    """Heading."""
    about: str
    """Which pictures were taken, and how."""
    headings: tuple[str, ...]
    """Of the columns."""
    rows: tuple[tuple[Picture, ...], ...]
    """As many pictures each as there are headings."""


def data_uri(pixels: NDArray[np.uint8], side: int = SIDE) -> str:
    """A picture, uint8 RGB `(3, H, W)`, as WebP of at most `side` px inside a `data:` address.

    Raises:
        EvalError: another shape or type.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[0] != 3 or 0 in pixels.shape:
        raise EvalError(f"expected a picture uint8 (3, H, W); found {pixels.shape} {pixels.dtype}")
    image = np.ascontiguousarray(pixels.transpose(1, 2, 0)[:, :, ::-1])
    scale = side / max(image.shape[:2])
    if scale < 1:
        size = [max(1, round(length * scale)) for length in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    return "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode()

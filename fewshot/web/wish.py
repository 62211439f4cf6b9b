"""What a visitor asks for, and the answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fewshot.styles import MAX_WEIGHT
from fewshot.web.problems import Problem

if TYPE_CHECKING:
    from fewshot.inference.whole import Background
    from fewshot.web.pool import Blend

Crop = Literal["auto", "face", "whole"]
FileFormat = Literal["png", "webp", "jpeg"]
CROPS, BACKGROUNDS, FORMATS = ("auto", "face", "whole"), ("stylize", "keep", "plain"), ("png", "webp", "jpeg")
MOST_STYLES = 2
"""In one blend."""


@dataclass(frozen=True)
class Wish:
    """What a visitor asks for."""

    blend: Blend
    """With what it is drawn."""
    crop: Crop = "auto"
    """What of the photo, as for `fewshot stylize --crop`."""
    background: Background = "stylize"
    """What becomes of the rest of a whole picture."""
    format: FileFormat = "png"
    """Of the drawing."""
    size: int | None = None
    """Shorter side of the drawing of a face, px; the model's when None."""
    mend_light: bool = True
    """Whether the light on the face is mended first."""
    keep: bool = False
    """Whether the visitor allows photo and drawing to be kept."""


@dataclass(frozen=True)
class Drawn:
    """The answer."""

    data: bytes
    """The drawing's file."""
    size: tuple[int, int]
    """Width and height, px."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom of what was drawn, in shares of the photo; may reach outside."""
    faces: int
    """That were found."""
    seconds: float
    """From the bytes to the bytes."""


def parse_wish(text: str) -> tuple[str, float]:
    """A style and its weight from `ink:0.6`; nothing of it is looked for among this machine's files.

    Raises:
        Problem: no number, or one outside 0 to 2.
    """
    name, colon, number = text.rpartition(":")
    if not colon:
        return text, 1.0
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= MAX_WEIGHT:
        raise Problem(422, f"the weight {number[:20]!r} is outside 0 to {MAX_WEIGHT:g}", "such as ink:0.6")
    return name, weight

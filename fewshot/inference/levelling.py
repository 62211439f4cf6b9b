"""Portraits of tilted heads, drawn as if they were held level, and turned back.

A base learns from faces that were levelled first (`fewshot/data/align.py`). Shown a head that is tilted, it
puts hair over the cheek and draws one eye larger than the other; shown the same head level, it does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.inference.engine import fitted

if TYPE_CHECKING:
    from fewshot.inference.detection import FaceBox
    from fewshot.inference.engine import Engine

LEAST_ROLL = 6.0
"""Degrees of tilt below which a picture is drawn as it is: turning costs a little sharpness."""
MOST_ROLL = 45.0
"""Degrees that a picture, or a face of one, is turned at most."""


def head_roll(faces: Sequence[FaceBox], box: tuple[int, int, int, int]) -> float:
    """By how many degrees a cut-out about the largest face is turned.

    Two heads that lean together cannot both be levelled: where levelling the largest would tilt another one
    in the cut-out further, nothing is turned.

    Args:
        faces: of the picture, the largest first.
        box: of the cut-out: left, top, right, bottom in px of the picture.
    """
    if not faces:
        return 0.0
    left, top, right, bottom = box
    roll = faces[0].roll
    for face in faces[1:]:
        x, y = face.centre
        if left <= x <= right and top <= y <= bottom and abs(face.roll - roll) > abs(face.roll):
            return 0.0
    return roll


def stylize_level(engine: Engine, images: NDArray[np.uint8], rolls: Sequence[float]) -> NDArray[np.uint8]:
    """`Engine.stylize`, with every tilted head drawn level and turned back to where it was.

    Args:
        engine: draws.
        images: uint8 `(N, 3, H, W)` RGB.
        rolls: of the head in each, degrees that the eye line sinks to the right (`FaceBox.roll`).

    Returns:
        As `Engine.stylize` does.

    Raises:
        ValueError: another type or shape, or not one roll for each picture.
    """
    if len(rolls) != len(images):
        raise ValueError(f"expected a roll for each of {len(images)} pictures, got {len(rolls)}")
    shown = fitted(images, engine.size, engine.multiple)
    tilted = np.abs(np.asarray(rolls, float)) >= LEAST_ROLL
    results = np.empty_like(shown)
    results[~tilted] = engine.draw(shown[~tilted])
    for place in map(int, np.flatnonzero(tilted)):
        results[place] = _turned(engine, shown[place], float(np.clip(rolls[place], -MOST_ROLL, MOST_ROLL)))
    return results


def _turned(engine: Engine, picture: NDArray[np.uint8], roll: float) -> NDArray[np.uint8]:
    """One picture `(3, H, W)`, drawn on a larger canvas on which all of it lies turned by `roll`."""
    height, width = picture.shape[1:]
    matrix, sides = _canvas(height, width, roll, engine.multiple)
    # What lies beyond the picture's edge is turned away again: it is only mirrored so that no edge is drawn.
    level = cv2.warpAffine(
        picture.transpose(1, 2, 0), matrix, sides, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    drawn = engine.draw(np.ascontiguousarray(level.transpose(2, 0, 1))[None])[0]
    back = cv2.warpAffine(
        drawn.transpose(1, 2, 0), matrix, (width, height), flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
        # The corners lie so near to the canvas's edge that what is beyond shows in them.
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    return np.asarray(back, np.uint8).transpose(2, 0, 1)


def _canvas(
    height: int, width: int, roll: float, multiple: int
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The `(2, 3)` matrix from a picture to the canvas that holds all of it turned; its width and height."""
    cos, sin = math.cos(math.radians(abs(roll))), math.sin(math.radians(abs(roll)))
    across, down = width * cos + height * sin, width * sin + height * cos
    sides = [math.ceil(side / multiple) * multiple for side in (across, down)]
    # OpenCV's pixel centres lie at whole numbers.
    matrix = np.array(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), roll, 1.0), np.float64)
    matrix[:, 2] += ((sides[0] - width) / 2, (sides[1] - height) / 2)
    return matrix, (sides[0], sides[1])

"""Whole pictures: every face is drawn at the model's size and put back, and the rest is drawn around it.

A face is cut out level and framed like a selfie, drawn, and laid back under a soft mask; towards its edge it
takes on the colours of what lies around it, so that no seam shows. The rest goes through the same model at a
scale at which its strokes are as wide as those of the largest face, and in one piece, because InstanceNorm
takes its statistics from all that it is shown, so that tiles would differ in colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.inference.framing import FACE_HEIGHT, WINDOW
from fewshot.inference.levelling import MOST_ROLL
from fewshot.inference.light import Light, face_light

if TYPE_CHECKING:
    from fewshot.inference.detection import FaceBox
    from fewshot.inference.engine import Engine

Background = Literal["stylize", "keep", "plain"]

MAX_SIDE = 4096
"""Longest side of a result, px."""
MAX_BACKGROUND = 640_000
"""Pixels at which the rest is drawn, at most: about 0.4 s on two cores."""
MOST_FACES = 16
"""Faces that are drawn in one picture, the largest ones."""
LEAST_FACE = 20
"""Side of a face, px, below which it is drawn as a part of the rest."""

"""Degrees by which a face is levelled at most."""
_CORE, _EDGE = 0.66, 0.98
"""Where the mask begins to fall and where it ends, in half sides of the window."""
_HEAD = 0.80, 1.0, -0.02
"""Half width, half height and centre (down) of the oval about a head, likewise."""
_PAPER = 250
_CALM, _CONTRAST = 24, 0.35
"""Reach, px, and contrast (of 1) below which the rest is smoothed before it is drawn."""

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]
Draw = Callable[[Pixels], Pixels]
"""A picture `(H, W, 3)` to its drawing of the same shape; H and W are multiples of the engine's."""


def draw_whole(
    image: Image.Image,
    engine: Engine,
    faces: Sequence[FaceBox],
    background: Background = "stylize",
    *,
    mend_light: bool = True,
) -> Pixels:
    """Draw a whole picture.

    Args:
        image: RGB, of any size; more than `MAX_SIDE` px are scaled down.
        engine: what draws.
        faces: in `image`, the largest first.
        background: the rest in the same style, as it is, or as white paper.
        mend_light: bring exposure and colour cast of the largest face towards what is usual (`light.py`).

    Returns:
        `(H, W, 3)` RGB.
    """
    image, limited = _limited(image)
    found = faces_drawn(image, [face.scaled(limited) for face in faces])
    picture = np.asarray(image)
    light = face_light(level_window(picture, found[0], engine.size)) if found and mend_light else Light()

    def draw(pixels: Pixels) -> Pixels:
        return draw_one(engine, light.mend(pixels))

    scale = background_scale(picture, engine.size, found[0].side if found else None)
    canvas = draw_background(picture, draw, engine.multiple, scale, background)
    # From back to front: who stands nearer is larger.
    for face in reversed(found):
        lay_face(canvas, picture, face, engine.size, draw, oval=background == "keep")
    return canvas


def faces_drawn(image: Image.Image, faces: Sequence[FaceBox]) -> list[FaceBox]:
    """Those of the faces in a picture that are drawn each by itself, the largest first."""
    limited = min(1.0, MAX_SIDE / max(image.size))
    return [face for face in faces if face.side * limited >= LEAST_FACE][:MOST_FACES]


def draw_one(engine: Engine, pixels: Pixels) -> Pixels:
    """The drawing of one picture `(H, W, 3)`, of the same shape; H and W are multiples of the engine's."""
    return engine.draw(pixels.transpose(2, 0, 1)[None])[0].transpose(1, 2, 0)


def _limited(image: Image.Image) -> tuple[Image.Image, float]:
    scale = MAX_SIDE / max(image.size)
    if scale >= 1:
        return image, 1.0
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0), scale


def background_scale(picture: Pixels, size: int, face: float | None, most: int = MAX_BACKGROUND) -> float:
    """At which scale the rest is drawn: strokes as wide as in the largest face, and `most` pixels at most.

    Args:
        picture: `(H, W, 3)`.
        size: of the model, px.
        face: side of the largest face, px; without one, as if the picture were one face.
        most: pixels.
    """
    height, width = picture.shape[:2]
    least = size / min(height, width)
    scale = size / (WINDOW * face) if face else least
    return min(max(scale, least), math.sqrt(most / (height * width)))


def draw_background(picture: Pixels, draw: Draw, multiple: int, scale: float, kind: Background) -> Pixels:
    """The canvas that faces are laid on, a new array of the picture's shape."""
    if kind == "keep":
        return picture.copy()
    if kind == "plain":
        return np.full_like(picture, _PAPER)
    height, width = picture.shape[:2]
    sides = [max(1, round(side * scale / multiple)) * multiple for side in (height, width)]
    small = np.asarray(Image.fromarray(picture).resize((sides[1], sides[0]), Image.Resampling.LANCZOS))
    # Grain on a plain wall would be drawn as strokes: the norms make much of whatever there is.
    calm = cv2.edgePreservingFilter(small, flags=cv2.RECURS_FILTER, sigma_s=_CALM, sigma_r=_CONTRAST)
    return cv2.resize(draw(calm), (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def lay_face(
    canvas: Pixels, picture: Pixels, face: FaceBox, size: int, draw: Draw, *, oval: bool = False
) -> None:
    """Draw a face of `picture` and lay it into the canvas, in place.

    Args:
        canvas, picture: `(H, W, 3)`.
        face: in both.
        size: of the model, px.
        draw: for the level window about the face.
        oval: only the head and not the ground beside it, for a rest that is not drawn.
    """
    matrix = _window(face, size)
    drawn = draw(_warp(picture, matrix, (size, size))).astype(np.float32)
    around = _warp(canvas, matrix, (size, size)).astype(np.float32)
    mask = _mask(size, oval)
    drawn = drawn + (1 - mask) * _soft(around - drawn)
    box, back = _region(matrix, size, canvas.shape)
    left, top, right, bottom = box
    if left >= right or top >= bottom:
        return
    sides = (right - left, bottom - top)
    shrink = WINDOW * face.side / size
    if shrink < 1:
        # Strokes of a face that becomes smaller would break up.
        drawn = cv2.GaussianBlur(drawn, (0, 0), 0.45 / shrink)
    patch = cv2.warpAffine(drawn, back, sides, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    weight = cv2.warpAffine(mask, back, sides, flags=cv2.INTER_LINEAR)[..., None]
    part = canvas[top:bottom, left:right].astype(np.float32)
    part += weight * (patch - part)
    canvas[top:bottom, left:right] = np.clip(np.rint(part), 0, 255).astype(np.uint8)


def level_window(picture: Pixels, face: FaceBox, size: int) -> Pixels:
    """The square of `size` px about a face, level and framed like a selfie."""
    return np.asarray(_warp(picture, _window(face, size), (size, size)), np.uint8)


def _soft(difference: Plane) -> Plane:
    """Coarse colours of a difference: blurred at a quarter of the size, which is as good and faster."""
    side = difference.shape[0]
    small = cv2.resize(difference, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), side / 40)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def _window(face: FaceBox, size: int) -> NDArray[np.float64]:
    """Matrix `(2, 3)` from the picture to the level window of `size` px about a face."""
    scale = size / (WINDOW * face.side)
    angle = math.radians(float(np.clip(face.roll, -MOST_ROLL, MOST_ROLL)))
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    x, y = face.centre
    turn = np.array([[cos, sin], [-sin, cos]])
    target = np.array([0.5 * size, FACE_HEIGHT * size])
    return np.hstack([turn, (target - turn @ (x, y))[:, None]])


def _warp(picture: NDArray[Any], matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[Any]:
    """The window of a picture, averaged where it shrinks; mirrored beyond the edge."""
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    if scale < 1:
        # Only what the window sees, and a border of it, is shrunk.
        (left, top, right, bottom), _ = _region(matrix, size[0], picture.shape, reach=0.1)
        if left < right and top < bottom:
            picture = picture[top:bottom, left:right]
            matrix = np.hstack([matrix[:, :2], matrix[:, 2:] + matrix[:, :2] @ [[left], [top]]])
        sides = [max(1, round(length * scale)) for length in picture.shape[1::-1]]
        small = cv2.resize(picture, sides, interpolation=cv2.INTER_AREA)
        shrunk = np.array(small.shape[1::-1]) / picture.shape[1::-1]
        # OpenCV's pixel centres lie at whole numbers, so a point moves by more than the factor.
        turn, shift = matrix[:, :2], matrix[:, 2:]
        matrix = np.hstack([turn / shrunk, shift + (turn @ (0.5 / shrunk - 0.5))[:, None]])
        picture = small
    return cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip


def _region(
    matrix: NDArray[np.float64], side: int, shape: tuple[int, ...], reach: float = 0.0
) -> tuple[tuple[int, int, int, int], NDArray[np.float64]]:
    """Box of the canvas that a window covers, and the matrix from the window into that box."""
    back = cv2.invertAffineTransform(matrix)
    low, high = -reach * side, (1 + reach) * side
    corners = np.array([[low, low, 1], [high, low, 1], [low, high, 1], [high, high, 1]], float) @ back.T
    left, top = (max(0, math.floor(value)) for value in corners.min(0))
    right, bottom = (min(shape[1 - i], math.ceil(value)) for i, value in enumerate(corners.max(0)))
    back = back.copy()
    back[:, 2] -= (left, top)
    return (left, top, right, bottom), back


@cache
def _mask(side: int, oval: bool) -> Plane:
    """One about the face, falling to nothing before the window's edge, `(side, side, 1)`."""
    along = (np.arange(side) + 0.5) / (side / 2) - 1
    if oval:
        x, y = along[None] / _HEAD[0], (along[:, None] - _HEAD[2]) / _HEAD[1]
        radius = np.sqrt(x * x + y * y)
    else:
        # A rounded square: hair fills the corners of the window more than a circle would leave.
        radius = (along[:, None] ** 4 + along[None] ** 4) ** 0.25
    fall = np.clip((_EDGE - radius) / (_EDGE - _CORE), 0, 1)
    return (fall * fall * (3 - 2 * fall)).astype(np.float32)[..., None]

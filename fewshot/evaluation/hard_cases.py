"""Where a base is expected to fail: photos listed by what makes them hard, and difficulties made by code.

`HELD_OUT` lists numbers of `photos_256` (03300-03399), read off the pictures at full size; a photo may be in
several lists. Turned heads were checked against YuNet's landmarks (nose 0.18 eye distances or more off the
eye midpoint, or plainly turned), grey ones against their mean chroma.

`MADE` changes any photos with a seed. Picture i of a seed comes out the same whatever the others are, sizes
are parts of the side, and light is scaled in linear light. These functions are for measuring alone: training
has its own, drawn otherwise, so that a base cannot have learned the test.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pictures = NDArray[np.uint8]
Floats = NDArray[np.float32]
Change = Callable[[Pictures, int], Pictures]
"""uint8 RGB `(N, 3, S, S)` and a seed to uint8 of the same shape."""

HELD_OUT_SOURCE = "photos_256"

HELD_OUT: dict[str, tuple[int, ...]] = {
    "side_face": (3304, 3316, 3339, 3346, 3352, 3356, 3358, 3369, 3373, 3379, 3384, 3393, 3398),
    "glasses": (
        *(3300, 3305, 3310, 3312, 3315, 3326, 3332, 3340, 3341, 3347, 3349, 3361, 3362),
        *(3372, 3378, 3379, 3385, 3389, 3391),
    ),
    "covered": (3330, 3335, 3336, 3341, 3355, 3363, 3369, 3375, 3378, 3380, 3399),
    "dark": (*(3307, 3312, 3327, 3333, 3336, 3345, 3354, 3358, 3359, 3369, 3382, 3383, 3385, 3392, 3399),),
    "near_grey": (3316, 3322, 3325, 3331, 3332, 3338, 3351, 3357, 3359, 3379),
}
"""Eight of the glasses are sunglasses. Covered: by a hand, phone, food or cloth. Dark: also lit from behind.
Near grey: two of them in a single tint."""

_SKIN = ((236, 196, 170), (205, 150, 115), (141, 94, 66), (84, 56, 42))
_CLOTH = ((232, 236, 240), (40, 42, 48), (96, 140, 190), (168, 60, 66), (110, 118, 92))
_FINE = 4
"""Occluders are drawn this many times larger, for smooth edges."""


def _each(change: Callable[[Floats, np.random.Generator], NDArray[np.floating]]) -> Change:
    """Lift a change of one float picture (S, S, 3) in 0..255 to many uint8 pictures."""

    def all_of(pictures: Pictures, seed: int) -> Pictures:
        changed = np.empty_like(pictures)
        for row, picture in enumerate(pictures):
            image = picture.transpose(1, 2, 0).astype(np.float32)
            result = np.asarray(change(image, np.random.default_rng((seed, row))))
            changed[row] = np.clip(np.rint(result), 0, 255).astype(np.uint8).transpose(2, 0, 1)
        return changed

    return all_of


def _occluder(image: Floats, rng: np.random.Generator) -> NDArray[np.floating]:
    """A cloth mask or a hand over the mouth, or a flat thing over one half of the face."""
    side = len(image) * _FINE
    layer = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    kind = int(rng.integers(3))
    x, y = rng.normal((0.5, 0.64), 0.02) * side
    if kind == 0:
        colour = _CLOTH[rng.integers(len(_CLOTH))]
        outline = ((-0.24, -0.12), (0, -0.17), (0.24, -0.12), (0.22, 0.13), (0, 0.24), (-0.22, 0.13))
        pen.polygon([(x + a * side, y + b * side) for a, b in outline], fill=(*colour, 255))
        for fold in (-0.03, 0.05):
            ends = (x - 0.19 * side, y + fold * side, x + 0.19 * side, y + fold * side)
            pen.line(ends, fill=(*(int(0.8 * c) for c in colour), 255), width=side // 90)
    elif kind == 1:
        _draw_hand(pen, x, y, side, _SKIN[rng.integers(len(_SKIN))], 1 if rng.random() < 0.5 else -1)
    else:
        colour = _CLOTH[rng.integers(len(_CLOTH))]
        left = 0.14 * side if rng.random() < 0.5 else 0.52 * side
        box = (left, 0.3 * side, left + 0.34 * side, 0.92 * side)
        pen.rounded_rectangle(box, side // 30, fill=(*colour, 255))
    small = np.asarray(layer.resize((len(image),) * 2, Image.Resampling.BOX), np.float32)
    alpha = small[:, :, 3:] / 255
    return image * (1 - alpha) + small[:, :, :3] * alpha


def _draw_hand(
    pen: ImageDraw.ImageDraw, x: float, y: float, side: int, colour: tuple[int, ...], facing: int
) -> None:
    """Four fingers, a palm and a wrist that reach in from one side."""
    dark = tuple(int(0.72 * channel) for channel in colour)
    palm = x + facing * 0.26 * side
    wide = 0.075 * side
    for finger in range(4):
        top = y + (finger - 1.5) * wide
        tip = x - facing * (0.17, 0.21, 0.19, 0.12)[finger] * side
        for reach, fill in ((0.5, dark), (0.42, colour)):
            half = reach * wide
            box = (min(tip, palm) - half, top - half, max(tip, palm) + half, top + half)
            pen.rounded_rectangle(box, half, fill=(*fill, 255))
    box = (palm - 0.14 * side, y - 0.2 * side, palm + 0.14 * side, y + 0.2 * side)
    pen.ellipse(box, fill=(*colour, 255))
    ends = sorted((palm, palm + facing * side))
    pen.rectangle((ends[0], y - 0.1 * side, ends[1], y + 0.12 * side), fill=(*colour, 255))


def _lit(image: Floats, gain: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scale linear light by a gain that broadcasts to (S, S, 3)."""
    linear = (image / 255) ** 2.2 * gain
    return 255 * np.clip(linear, 0, 1) ** (1 / 2.2)


def _grid(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y (S, S) in -1..1."""
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(axis, axis)
    return x, y


def _side_light(image: Floats, rng: np.random.Generator) -> NDArray[np.floating]:
    """One half of the face in the dark: light falls to a sixteenth across the middle."""
    x, y = _grid(len(image))
    angle = rng.uniform(-0.5, 0.5) + np.pi * rng.integers(2)
    along = x * np.cos(angle) + y * np.sin(angle)
    return _lit(image, (1.2 * 2 ** (-4 / (1 + np.exp(-8 * along))))[:, :, None])


def _back_light(image: Floats, rng: np.random.Generator) -> NDArray[np.floating]:
    """A dark face before a bright background, with a veil of stray light."""
    x, y = _grid(len(image))
    centre = rng.normal((0, 0.1), 0.04)
    inside = 1 / (1 + np.exp(12 * (np.hypot((x - centre[0]) / 0.75, (y - centre[1]) / 0.95) - 1)))
    gain = (inside * 0.15 + (1 - inside) * 2.5)[:, :, None]
    return 0.9 * _lit(image, gain) + 25


def _colour_cast(image: Floats, rng: np.random.Generator) -> NDArray[np.floating]:
    """Light of one strong hue, as from a lamp or a phone's filter."""
    hue = rng.uniform(0, 2 * np.pi) + np.array([0, 2, 4]) * np.pi / 3
    return _lit(image, np.exp(0.9 * np.cos(hue)))


def _grey(image: Floats, _: np.random.Generator) -> NDArray[np.floating]:
    """Rec. 601 luma in all channels."""
    return (image @ np.array([0.299, 0.587, 0.114], np.float32))[:, :, None].repeat(3, axis=2)


def _low_resolution(image: Floats, _: np.random.Generator) -> NDArray[np.floating]:
    """A fifth of the resolution, blown up again."""
    side = len(image)
    small = cv2.resize(image, (max(8, side // 5),) * 2, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)


def _blur(image: Floats, rng: np.random.Generator) -> NDArray[np.floating]:
    """A shaken camera: a straight stroke of a twelfth of the side in any direction."""
    length = max(3, len(image) // 12) | 1
    kernel = np.zeros((length, length), np.float32)
    angle, half = rng.uniform(0, np.pi), length // 2
    for step in np.linspace(-half, half, 4 * length):
        kernel[round(half + step * np.sin(angle)), round(half + step * np.cos(angle))] += 1
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def _roll(image: Floats, rng: np.random.Generator) -> NDArray[np.floating]:
    """A head, or a phone, tilted by 20 degrees to either side."""
    side = len(image)
    turn = cv2.getRotationMatrix2D(((side - 1) / 2,) * 2, 20.0 if rng.random() < 0.5 else -20.0, 1.0)
    return cv2.warpAffine(image, turn, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


MADE: dict[str, Change] = {
    "occluder": _each(_occluder),
    "side_light": _each(_side_light),
    "back_light": _each(_back_light),
    "colour_cast": _each(_colour_cast),
    "grey": _each(_grey),
    "low_resolution": _each(_low_resolution),
    "blur": _each(_blur),
    "roll": _each(_roll),
}
"""Difficulties made by code, by name."""

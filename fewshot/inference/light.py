"""Bad light on a face, mended before it is drawn: exposure and colour cast, towards what is usual.

A base draws what it sees: a face in the light of a coloured lamp gets hair of that colour, one against the
light becomes a black mask. What is usual was measured on the inner face of 1,600 training photos of both
sources. A face within that range is left as it is, one outside is brought to the range's edge and no further,
so that dark skin stays dark and evening stays warm. On 128 training selfies in made light of one strong hue
the drawings came from 18.6 to 12.9 (of 255) from those of the clean photos, and clean ones moved by 0.9; side
light and light from behind, which lie within a face, are hardly helped.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

LIGHTNESS = 37.0, 86.0
"""Mean CIELAB L* of an inner face: 5 % to 95 % of the training photos, of the wider source at each end."""
REDNESS = 0.0, 28.0
"""Its mean a*, likewise."""
YELLOWNESS = 0.0, 31.0
"""Its mean b*, likewise."""
INNER = 0.30, 0.70, 0.28, 0.72
"""Left, right, top and bottom of the inner face in a framed window, in sides."""

_MOST_GAIN = 4.0
"""Of a channel, and one over it the least: beyond, what is left of a channel is noise."""
_POWERS = 0.4, 1.5
"""Of the lightness: beyond, hair and ground would be burnt or black for the face's sake."""
_DARK = 1e-3
"""Linear light below which a channel tells no colour."""
_LEAST = 1.0
"""Change in CIELAB below which nothing is done."""


@dataclass(frozen=True)
class Light:
    """How a picture is to be lit otherwise."""

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Of red, green and blue in linear light: a lamp's colour is such a gain (von Kries, 1902)."""
    power: float = 1.0
    """Of the lightness in 0..1, so that black and white stay and nothing clips; below 1 is brighter."""

    def mend(self, picture: Pixels) -> Pixels:
        """The picture `(H, W, 3)` in that light; itself where nothing is to change."""
        if self == Light():
            return picture
        levels = np.arange(256, dtype=np.uint8)
        tables = _encoded(np.clip(_linear(levels)[:, None] * np.array(self.gains, np.float32), 0, 1))
        lit = np.stack([tables[:, c][picture[..., c]] for c in range(3)], axis=-1)
        if self.power != 1:
            lab = cv2.cvtColor(lit, cv2.COLOR_RGB2LAB)
            lab[..., 0] = 100 * np.clip(lab[..., 0] / 100, 0, 1) ** np.float32(self.power)
            lit = np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.float32)
        return np.clip(np.rint(255 * lit), 0, 255).astype(np.uint8)

    def towards(self, other: Light, share: float) -> Light:
        """A light between this one (`share` 0) and another (1), for videos, whose light must not jump."""
        pairs = zip((*self.gains, self.power), (*other.gains, other.power), strict=True)
        red, green, blue, power = (max(a, 1e-3) ** (1 - share) * max(b, 1e-3) ** share for a, b in pairs)
        return Light((red, green, blue), power)


def face_light(window: Pixels) -> Light:
    """The light that a framed face `(S, S, 3)` RGB lacks."""
    side = len(window)
    left, right, top, bottom = (round(edge * side) for edge in INNER)
    face = _lab(_linear(window[top:bottom, left:right]).reshape(-1, 3).mean(0))
    wanted = np.array([np.clip(v, *e) for v, e in zip(face, (LIGHTNESS, REDNESS, YELLOWNESS), strict=True)])
    if np.abs(wanted - face).max() < _LEAST:
        return Light()
    gains = np.maximum(_rgb(np.array([face[0], *wanted[1:]])), _DARK) / np.maximum(_rgb(face), _DARK)
    red, green, blue = (float(gain) for gain in np.clip(gains, 1 / _MOST_GAIN, _MOST_GAIN))
    start, end = (np.clip(v / 100, 0.05, 0.98) for v in (face[0], wanted[0]))
    return Light((red, green, blue), float(np.clip(np.log(end) / np.log(start), *_POWERS)))


def _linear(pixels: Pixels) -> Floats:
    return np.asarray((pixels.astype(np.float32) / 255) ** 2.2, np.float32)


def _encoded(linear: Floats) -> Floats:
    return np.asarray(linear ** (1 / 2.2), np.float32)


def _lab(linear: Floats) -> NDArray[np.float64]:
    return np.asarray(cv2.cvtColor(_encoded(linear)[None, None], cv2.COLOR_RGB2LAB)[0, 0], np.float64)


def _rgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear RGB of one colour."""
    encoded = cv2.cvtColor(lab.astype(np.float32)[None, None], cv2.COLOR_LAB2RGB)[0, 0]
    return np.asarray(np.clip(encoded, 0, 1) ** 2.2, np.float64)

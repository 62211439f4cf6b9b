"""What a phone camera adds to a rendered person: blurred background, uneven light, colour cast, grain."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.samples.raster import Page, Picture, lay

_GRAIN = 3
"""Side of a grain in supersampled pixels: about one of the final picture."""
_LIGHT, _DEVIATION, _DARKEST, _LIGHTEST = 0.5, 0.11, 0.2, 0.8
"""Mean light of selfies, of 1: its mean, its deviation and its bounds."""


def any_colour(rng: np.random.Generator, saturation: float) -> NDArray[np.float32]:
    """A colour of cloth or walls: seldom a pure one; `saturation` is the highest."""
    hue, value = rng.uniform(), rng.uniform(0.08, 0.95)
    return np.array(colorsys.hsv_to_rgb(hue, saturation * rng.beta(1.2, 2.5), value), np.float32)


def backdrop(page: Page, rng: np.random.Generator) -> Picture:
    """A wall with a gradient and up to 13 things before it, more or less out of focus; (side, side, 3)."""
    x, y = page.grid()
    slope = rng.uniform(-0.35, 0.35, 2)
    picture = any_colour(rng, 0.5) * (1 + slope[0] * (x - 0.5) + slope[1] * (y - 0.5))[..., None]
    for _ in range(rng.integers(0, 14)):
        centre, half = rng.uniform(-0.1, 1.1, 2), rng.uniform(0.02, 0.35, 2) * rng.uniform(0.3, 1)
        angle = rng.choice([0.0, 0.0, rng.uniform(0, np.pi)])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        lay(picture, any_colour(rng, 0.7), page.fill(corners @ turn.T + centre))
    if rng.uniform() < 0.4:
        leaves = page.noise(rng, rng.uniform(0.004, 0.03), rng.uniform(0.004, 0.03), rng.uniform(0, 3))
        picture += (0.12 * leaves)[..., None] * any_colour(rng, 0.6)
    blur = rng.choice([0.002, 0.006, 0.015, 0.04]) * page.side
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.3, blur)), np.float32)


def exposed(picture: Picture, page: Page, rng: np.random.Generator) -> Picture:
    """The picture as a camera keeps it: light, balance, exposure, tone curve, blur and grain; in [0, 1]."""
    x, y = page.grid()
    centre, reach = rng.uniform(0, 1, 2), rng.uniform(0.5, 1.5)
    fall = np.exp(-(((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / reach**2))
    lit = picture * (rng.uniform(0.5, 1.0) + rng.uniform(0.1, 0.7) * fall)[..., None]
    balanced = np.clip(lit * (1 + rng.normal(0, 0.08, 3)), 0, 1) ** rng.uniform(0.75, 1.4)
    seen = _metered(balanced, float(np.clip(rng.normal(_LIGHT, _DEVIATION), _DARKEST, _LIGHTEST)))
    toned = np.clip((seen - 0.5) * rng.uniform(1.05, 1.5) + 0.5, 0, 1)
    blurred = cv2.GaussianBlur(toned.astype(np.float32), (0, 0), rng.uniform(0.8, 3.2))
    grains = rng.standard_normal((page.side // _GRAIN, page.side // _GRAIN, 3), np.float32)
    grains = cv2.resize(grains, (page.side, page.side), interpolation=cv2.INTER_LINEAR)
    return np.clip(blurred + rng.uniform(0.003, 0.03) * grains, 0, 1)


def _metered(picture: Picture, mean: float) -> Picture:
    """As light as a phone makes it, which tells by the mean of what it sees.

    Done by a gamma between 0.2 and 4, so that a very dark or light picture only comes near to the mean.
    """
    low, high = 0.2, 4.0
    for _ in range(12):
        gamma = (low * high) ** 0.5
        low, high = (gamma, high) if (picture**gamma).mean() > mean else (low, gamma)
    return np.asarray(picture**gamma, np.float32)

"""Smooth curves through a few points, in float arrays of shape (n, 2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
Points = Sequence[Any] | Curve


def spline(points: Points, closed: bool = False, steps: int = 10) -> Curve:
    """Catmull-Rom curve through `points` (k, 2), `steps` samples per span; the ends are kept."""
    p = np.asarray(points, dtype=np.float64)
    if closed:
        padded = np.vstack([p[-1:], p, p[:2]])
    else:
        padded = np.vstack([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    spans = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        spans.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    curve = np.vstack(spans)
    return curve if closed else np.vstack([curve, p[-1:]])


def bow(start: Points, end: Points, bulge: float, steps: int = 12) -> Curve:
    """Quadratic arc; `bulge` is the height over the chord in chords, positive left of travel."""
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    chord = b - a
    middle = (a + b) / 2 + 2 * bulge * np.array([chord[1], -chord[0]])
    return bezier(a, middle, b, steps)


def bezier(start: Points, control: Points, end: Points, steps: int = 16) -> Curve:
    """Quadratic Bezier curve with `steps` + 1 samples."""
    a, c, b = (np.asarray(v, dtype=np.float64) for v in (start, control, end))
    t = np.linspace(0, 1, steps + 1)[:, None]
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * c + t**2 * b


def mirror(points: Points) -> Curve:
    """Close a right half (top to bottom) with its mirror image on the left."""
    p = np.asarray(points, dtype=np.float64)
    left = p[::-1] * [-1, 1]
    return np.vstack([p, left[np.abs(left[:, 0]) > 1e-9]])


def ellipse(centre: Points, rx: float, ry: float, steps: int = 40) -> Curve:
    """Closed ellipse outline."""
    t = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.asarray(centre, dtype=np.float64) + np.stack([rx * np.cos(t), ry * np.sin(t)], 1)


def join(pieces: Sequence[Curve]) -> Curve:
    """Chain curves end to end."""
    return np.vstack(list(pieces))


def resample(curve: Curve, count: int) -> Curve:
    """`count` points at equal arc length along an open curve."""
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0, lengths[-1], count)
    return np.stack([np.interp(at, lengths, curve[:, k]) for k in (0, 1)], 1)

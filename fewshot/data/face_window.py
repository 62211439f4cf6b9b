"""A square window about a face, and where it has the eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

EYES_AT = (0.5, 0.40)
"""Where the point between the eyes goes, from the left and from above, in sides."""
_BORDER = 0.06
"""Of the window, that may reach over the picture's edge and is mirrored."""


@dataclass(frozen=True)
class FaceWindow:
    """A square window of a square picture, in the picture's sides."""

    left: float
    """Of its left edge; below zero where the picture is mirrored."""
    top: float
    """Of its upper edge."""
    side: float
    """Its side."""
    found: bool = True
    """Whether a face of this picture decided it."""

    @property
    def eyes(self) -> tuple[float, float]:
        """Where a window that was cut about a face has its eyes, in sides of the picture."""
        return self.left + EYES_AT[0] * self.side, self.top + EYES_AT[1] * self.side

    @property
    def mirrored(self) -> FaceWindow:
        """The same window of the mirrored picture."""
        return replace(self, left=1 - self.left - self.side)


WHOLE_PICTURE = FaceWindow(0.0, 0.0, 1.0)


def window_about(x: float, y: float, side: float) -> FaceWindow:
    """A window with eyes at `EYES_AT`, as far as the picture reaches."""
    side = min(side, 1.0)
    return FaceWindow(_inside(x - EYES_AT[0] * side, side), _inside(y - EYES_AT[1] * side, side), side)


def wider(window: FaceWindow, by: float) -> FaceWindow:
    """A larger window with its eyes at the same place; the whole picture stays as it is."""
    return window if window == WHOLE_PICTURE else window_about(*window.eyes, window.side * by)


def median_window(windows: Sequence[FaceWindow]) -> FaceWindow:
    """The median of each edge."""
    left, top, side = np.median([(w.left, w.top, w.side) for w in windows], axis=0).tolist()
    return FaceWindow(left, top, side)


def _inside(start: float, side: float) -> float:
    return float(np.clip(start, -_BORDER * side, 1 - side + _BORDER * side)) if side < 1 else 0.0

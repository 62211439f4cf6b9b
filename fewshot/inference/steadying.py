"""Drawn frames that follow the picture instead of flickering.

A generator draws every frame anew, and strokes jump. Here the drawing before is carried along by the optical
flow of the photo (OpenCV's DIS, Kroeger et al. 2016, arXiv 1603.03590) and mixed with the new one wherever
the flow explains the photo; where it does not (something uncovered, a blink, a cut) the new drawing counts
alone.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]

KEEP = 0.75
"""Share of the carried drawing where the flow is sure: a flicker fades over 3.5 frames."""
DOUBT = 9.0
"""Difference of the carried photo from the new one, of 255, at which trust falls to 1/e."""
CUT = 45.0
"""Mean difference of two frames, of 255, that is a cut to another scene."""


class Steady:
    """Steadies one stream of photo windows and their drawings, all of one size."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._photo: Pixels | None = None
        self._drawing: Plane | None = None
        self._places: tuple[Plane, Plane] | None = None

    def __call__(self, photo: Pixels, drawing: Pixels) -> Pixels:
        """The steadied drawing of a photo; both `(H, W, 3)`."""
        grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), np.uint8)
        now = drawing.astype(np.float32)
        if self._photo is not None and self._drawing is not None and not is_cut(self._photo, grey):
            carried, trust = self._carry(grey)
            now += (KEEP * trust)[..., None] * (carried - now)
        self._photo, self._drawing = grey, now
        return np.clip(np.rint(now), 0, 255).astype(np.uint8)

    def _carry(self, grey: Pixels) -> tuple[Plane, Plane]:
        """The drawing before where things are now, and how far that can be trusted, in [0, 1]."""
        assert self._photo is not None
        assert self._drawing is not None
        flow = self._flow.calc(grey, self._photo, None)
        if self._places is None or self._places[0].shape != grey.shape:
            columns, rows = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in grey.shape[::-1]))
            self._places = columns, rows
        at = self._places[0] + flow[..., 0], self._places[1] + flow[..., 1]
        border = cv2.BORDER_REFLECT_101
        carried = cv2.remap(self._drawing, *at, cv2.INTER_CUBIC, borderMode=border)
        before = cv2.remap(self._photo, *at, cv2.INTER_LINEAR, borderMode=border)
        wrong = cv2.blur(cv2.absdiff(before, grey), (5, 5)).astype(np.float32)
        return np.asarray(carried, np.float32), np.asarray(np.exp(-((wrong / DOUBT) ** 2)), np.float32)


def is_cut(before: Pixels, now: Pixels) -> bool:
    """Whether two frames show different scenes."""
    return before.shape != now.shape or float(cv2.absdiff(before, now).mean()) > CUT

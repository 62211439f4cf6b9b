"""Masks, strokes and textures at a multiple of the final size; everything is float32 in [0, 1]."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fewshot.samples.curves import Curve, resample

Mask = NDArray[np.float32]
Picture = NDArray[np.float32]
Colour = tuple[float, float, float]
SUPERSAMPLING = 3
_SHIFT = 4


class Page:
    """Turns page curves into masks of `side` pixels, `SUPERSAMPLING` times the final size."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.side = size * SUPERSAMPLING

    def _fixed(self, points: Curve) -> NDArray[np.int32]:
        return np.round((points * self.side - 0.5) * 2**_SHIFT).astype(np.int32)

    def fill(self, *shapes: Curve) -> Mask:
        """(side, side) union of closed shapes."""
        mask = np.zeros((self.side, self.side), np.uint8)
        for shape in shapes:
            cv2.fillPoly(mask, [self._fixed(shape)], 255, cv2.LINE_AA, _SHIFT)
        return mask.astype(np.float32) / np.float32(255)

    def stroke(
        self, *curves: Curve, width: float, taper: tuple[float, float] = (1, 1), swell: float = 0
    ) -> Mask:
        """(side, side) union of open strokes.

        Args:
            curves: lines on the page, each (n, 2).
            width: full width in pages at the middle of a stroke.
            taper: width factors at start and end; 0 comes to a point.
            swell: extra width factor at the middle.
        """
        mask = np.zeros((self.side, self.side), np.uint8)
        for curve in curves:
            count = int(np.clip(np.linalg.norm(np.diff(curve, axis=0), axis=1).sum() * 90, 8, 90))
            line = resample(curve, count)
            t = np.linspace(0, 1, count)
            body = np.minimum(1, np.minimum(taper[0] + 3.2 * t, taper[1] + 3.2 * (1 - t)))
            self._ribbon(mask, line, width * body * (1 + swell * np.sin(np.pi * t)))
        return mask.astype(np.float32) / np.float32(255)

    def _ribbon(self, mask: NDArray[np.uint8], line: Curve, widths: NDArray[np.float64]) -> None:
        tangent = np.gradient(line, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
        normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1) * widths[:, None] / 2
        left, right = self._fixed(line + normal), self._fixed(line - normal)
        centre = self._fixed(line)
        for k in range(len(line) - 1):
            quad = np.array([left[k], left[k + 1], right[k + 1], right[k]])
            cv2.fillConvexPoly(mask, quad, 255, cv2.LINE_AA, _SHIFT)
        for (x, y), w in zip(centre, widths, strict=True):
            radius = int(w / 2 * self.side * 2**_SHIFT)
            cv2.circle(mask, (int(x), int(y)), radius, 255, -1, cv2.LINE_AA, _SHIFT)

    def core(self, mask: Mask, inset: float) -> Mask:
        """`mask` without a rim `inset` pages wide."""
        side = 2 * max(1, round(inset * self.side)) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        return np.asarray(cv2.erode(mask, kernel, borderType=cv2.BORDER_REPLICATE), dtype=np.float32)

    def shrink(self, picture: Picture) -> NDArray[np.uint8]:
        """(side, side, 3) to (size, size, 3) uint8."""
        small = cv2.resize(picture, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return np.clip(np.round(small * 255), 0, 255).astype(np.uint8)

    def grid(self) -> tuple[Mask, Mask]:
        """Page coordinates x, y of every pixel."""
        line = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side
        return np.broadcast_to(line[None], (self.side,) * 2), np.broadcast_to(line[:, None], (self.side,) * 2)

    def blur(self, mask: Mask, radius: float) -> Mask:
        """Gaussian blur; `radius` (standard deviation) in pages."""
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(radius * self.side, 0.3)), dtype=np.float32)

    def noise(self, rng: np.random.Generator, along: float, across: float, angle: float = 0.0) -> Mask:
        """Gaussian noise of variance 1, correlated `along` pages at `angle` radians and `across` pages."""
        reach = int(self.side * 1.5)
        field = rng.standard_normal((reach, reach), dtype=np.float32)
        field = cv2.GaussianBlur(
            field, (0, 0), max(along * self.side, 0.3), sigmaY=max(across * self.side, 0.3)
        )
        if angle:
            turn = cv2.getRotationMatrix2D((reach / 2, reach / 2), float(np.rad2deg(-angle)), 1.0)
            field = cv2.warpAffine(field, turn, (reach, reach), flags=cv2.INTER_LINEAR)
        at = (reach - self.side) // 2
        field = field[at : at + self.side, at : at + self.side]
        return np.asarray((field - field.mean()) / (field.std() + 1e-9), dtype=np.float32)

    def hatch(self, angle: float, pitch: float, cover: float, wobble: Mask | None = None) -> Mask:
        """Parallel lines; `pitch` in pages, `cover` the inked share in (0, 1)."""
        x, y = self.grid()
        phase = (x * np.sin(angle) - y * np.cos(angle)) / pitch
        if wobble is not None:
            phase = phase + wobble
        wave = np.abs((phase % 1) - 0.5) * 2
        edge = pitch * self.side / 2
        return np.clip((cover - wave) * edge + 0.5, 0, 1).astype(np.float32)


def rgb(colour: str) -> Colour:
    """`"e8c39e"` to floats in [0, 1]."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (0, 2, 4))
    return red, green, blue


def lay(picture: Picture, colour: ArrayLike, mask: Mask) -> None:
    """Paint `colour` ((3,) or a picture) over `picture` in place, by `mask`."""
    picture += (np.asarray(colour, np.float32) - picture) * mask[..., None]


def inside(mask: Mask, *holders: Mask) -> Mask:
    """`mask` clipped to all of `holders`."""
    for holder in holders:
        mask = mask * holder
    return mask

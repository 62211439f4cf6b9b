"""Where hair and cheeks are, estimated from five landmarks, and which colour they have.

The same geometry for photos and drawings, so that a number compares like with like. With the eye midpoint as
origin, x along the eye line and y towards the mouth, in units of the larger of eye distance and eye-to-mouth
distance (a turned head shortens the first), the regions are

    hair      the band between the ellipse of the face and one `HAIR_BAND` times as large, from the crown down
              to the eye line: fringe, temples and what falls beside the eyes
    cheeks    two discs half-way between each eye and its corner of the mouth

and their colour is the median of each CIELAB channel over the pixels inside the picture. It is no
segmentation: a bare forehead, a hat, a hand or the wall beside short hair count as hair, and glasses or a
blush as cheek.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from eval.colour_edge import rgb_to_lab
from eval.errors import EvalError

FACE_ACROSS, FACE_UP = 1.0, 1.25
"""Half axes of the face's ellipse above the eye line."""
HAIR_BAND = 1.35
"""Outer over inner ellipse."""
CHEEK = 0.22
"""Radius of the cheek discs."""
LEAST = 0.0005
"""Share of the picture that a region must cover inside the frame to have a colour."""


def region_masks(landmarks: NDArray[np.floating], side: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Hair and cheeks of one face.

    Args:
        landmarks: `(5, 2)` x, y in px: right eye, left eye, nose, right and left corner of the mouth, where
            right is the person's.
        side: of the square picture, px.

    Returns:
        Two masks `(side, side)`.

    Raises:
        EvalError: another shape, numbers that are not finite, or both eyes in one place.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise EvalError(f"expected five landmarks (x, y); found {points.tolist()}")
    middle, mouth = points[:2].mean(0), points[3:].mean(0)
    across = points[1] - points[0]
    distance = float(np.hypot(*across))
    if distance == 0:
        raise EvalError(f"both eyes are at {points[0].tolist()}", "look at what the landmark detector found")
    x_axis = across / distance
    y_axis = np.array([-x_axis[1], x_axis[0]])
    # A mirrored picture swaps the eyes; the mouth still says where down is.
    y_axis = y_axis * (np.sign((mouth - middle) @ y_axis) or 1.0)
    unit = max(distance, float(np.hypot(*(mouth - middle))))
    rows, columns = np.mgrid[:side, :side]
    offset = (np.stack([columns, rows], -1) - middle) / unit
    x, y = offset @ x_axis, offset @ y_axis
    radius = np.hypot(x / FACE_ACROSS, y / FACE_UP)
    hair = (radius > 1) & (radius < HAIR_BAND) & (y < 0)
    cheeks = np.zeros((side, side), bool)
    for eye, corner in ((0, 3), (1, 4)):
        centre = (points[eye] + points[corner]) / 2
        cheeks |= np.hypot(columns - centre[0], rows - centre[1]) < CHEEK * unit
    return hair, cheeks


def region_colours(
    pictures: NDArray[np.uint8], landmarks: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Colour of hair and cheeks of every picture.

    Args:
        pictures: uint8 RGB `(N, 3, S, S)`.
        landmarks: `(N, 5, 2)` px, as in `region_masks`; nan where there are none.

    Returns:
        Hair and cheeks, each `(N, 3)` median CIELAB (L 0..100, a, b); nan without landmarks, or where less
        than `LEAST` of the picture is left of the region inside the frame.

    Raises:
        EvalError: as `region_masks`, or shapes that do not fit.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.shape[2] != pictures.shape[3] or len(pictures) != len(landmarks):
        raise EvalError(
            "expected square pictures (N, 3, S, S) with landmarks (N, 5, 2); found "
            f"{pictures.shape} and {np.shape(landmarks)}"
        )
    side = pictures.shape[2]
    colours = np.full((2, len(pictures), 3), np.nan)
    for row, (picture, points) in enumerate(zip(pictures, landmarks, strict=True)):
        if np.isnan(points).any():
            continue
        lab = rgb_to_lab(torch.from_numpy(np.ascontiguousarray(picture))[None].float() / 255)[0].numpy()
        for region, mask in enumerate(region_masks(points, side)):
            if mask.sum() >= LEAST * side * side:
                # Grey must be exactly 0: what rounding leaves of a*, b* follows lightness, and ranks tell.
                colours[region, row] = np.round(np.median(lab[:, mask], axis=1), 1) + 0.0
    return colours[0], colours[1]

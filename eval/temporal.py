"""How steady a drawn video is, and whether steadiness was bought with blur.

*Warping error*: each drawn frame is compared with the one before, carried along by the optical flow of the
input (Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018, eq. 8), where that flow is
consistent forwards and backwards: what is occluded or uncovered is left out. *Drift*: the distance to the
frames drawn one by one, as a share of those frames' own contrast; a blurred or lagging video is steady and
far from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

CONSISTENT = 0.01, 0.5
"""Share of the squared length of both flows, and squared pixels, by which they may miss each other (Sundaram,
Brox and Keutzer, ECCV 2010)."""


_LEAST_SIDE = 16


@dataclass(frozen=True)
class Steadiness:
    """Of one video."""

    warping_error: float
    """Mean absolute difference of consistent pixels to the carried frame before, of 255; nan without any."""
    consistent: float
    """Share of the pixels that it was taken over, in [0, 1]."""
    frames: int
    """Pairs of frames."""


def warping_error(photos: Iterable[Frame], drawings: Iterable[Frame]) -> Steadiness:
    """Of drawn frames `(H, W, 3)` and the frames they were drawn from, of the same size.

    Where no pixel of any frame can be followed, the error is nan: nothing is known of such a video.

    Raises:
        ValueError: fewer than two frames, other numbers of them, other sizes, or frames below 16 px.
    """
    errors, shares = [], []
    for (before, now), (drawn_before, drawn) in zip(pairwise(photos), pairwise(drawings), strict=True):
        if before.shape != drawn.shape:
            raise ValueError(f"frames of {before.shape} and drawings of {drawn.shape}: expected one size")
        if min(now.shape[:2]) < _LEAST_SIDE:
            raise ValueError(f"frames of {now.shape}: expected {_LEAST_SIDE} px or more for optical flow")
        carried, sure = carry(drawn_before, before, now)
        difference = np.abs(carried.astype(np.float32) - drawn).mean(-1)
        errors.append(float(difference[sure].mean()) if sure.any() else 0.0)
        shares.append(float(sure.mean()))
    if not errors:
        raise ValueError("expected two frames or more")
    error = float(np.average(errors, weights=shares)) if sum(shares) else math.nan
    return Steadiness(error, float(np.mean(shares)), len(errors))


def carry(picture: Frame, before: Frame, now: Frame) -> tuple[Frame, NDArray[np.bool_]]:
    """`picture`, which belongs to the frame `before`, where things are in the frame `now`; and where that is
    sure."""
    flows = _flow(now, before), _flow(before, now)
    rows, columns = np.mgrid[: now.shape[0], : now.shape[1]].astype(np.float32)
    at = columns + flows[0][..., 0], rows + flows[0][..., 1]
    back = cv2.remap(flows[1], *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    missed = np.square(flows[0] + back).sum(-1)
    lengths = np.square(flows[0]).sum(-1) + np.square(back).sum(-1)
    share, slack = CONSISTENT
    inside = (at[0] >= 0) & (at[0] < now.shape[1]) & (at[1] >= 0) & (at[1] < now.shape[0])
    carried = cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(carried, np.uint8), (missed < share * lengths + slack) & inside


def drift(drawings: Iterable[Frame], one_by_one: Iterable[Frame]) -> float:
    """Mean absolute difference to the frames drawn one by one, over those frames' mean absolute deviation.

    Raises:
        ValueError: no frame, or other numbers of them.
    """
    away, contrast = zip(*_distances(drawings, one_by_one), strict=True)
    return float(np.mean(away) / max(np.mean(contrast), 1e-6))


def _distances(drawings: Iterable[Frame], one_by_one: Iterable[Frame]) -> Iterator[tuple[float, float]]:
    for drawn, plain in zip(drawings, one_by_one, strict=True):
        flat = plain.astype(np.float32)
        yield float(np.abs(drawn - flat).mean()), float(np.abs(flat - flat.mean((0, 1))).mean())


def _flow(start: Frame, end: Frame) -> NDArray[np.float32]:
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (start, end)]
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(finder.calc(*greys, None), np.float32)  # type: ignore[call-overload]

"""Do parts of a drawing correspond to its photo's: hair and skin colour, eyes and mouth, and the way back?

Every question is asked twice: of the real pairs and, as the control, of shuffled pairs where each photo meets
another photo's drawing. What remains of a score after shuffling belongs to the two domains (all selfies are
framed alike, all anime skin is pale), not to the pair.

Limits, to be printed with the numbers:

- The regions come from five landmarks (`colour_regions`), not from a segmentation: hats, bare foreheads and
  backgrounds count as hair. Where no face is found on a drawing its photo's landmarks are used, so a drawing
  without a face still has colours; the share of faces found tells how often.
- A network that leaves pixels as they are, or passes a colour cast on, agrees in colour without knowing any
  part. Read these numbers beside KID; `hair minus cheek L*` is free of the picture's overall exposure.
- Correlations are of ranks, since the domains differ in saturation and contrast, and so say nothing of a
  shift that all pictures share (all skin paler). Delta E is taken after that shift.
- Positions count only pairs with both faces found, which leaves out the worst drawings, and hold the
  detector's own error, larger on drawings than on photos. A detector trained on photos may also miss good
  drawings.
- A low cycle error proves that the way back finds what it needs, which may be hidden in the drawing as faint
  noise (Chu et al., arXiv 1712.02950).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.colour_regions import region_colours
from eval.errors import EvalError
from eval.intervals import Estimate, proportion
from eval.pairs import (
    Agreement,
    Floats,
    Statistic,
    compare_pairs,
    mean_distance,
    rank_correlation,
    weighted_mean,
)

Landmarks = Callable[[NDArray[np.uint8]], NDArray[np.floating] | None]
"""Picture (H, W, 3) uint8 RGB to (5, 2) px, as `colour_regions.region_masks` takes them, or None."""

FEW = 5
"""Pairs under which nothing is compared."""
REGIONS = "landmark regions"


@dataclass(frozen=True)
class Parts:
    """What `part_agreement` found."""

    agreements: tuple[Agreement, ...]
    """Those with at least `FEW` usable pairs."""
    found_on_photos: Estimate
    """Share of photos with a face found, Wilson's interval."""
    found_on_drawings: Estimate
    """Share of drawings with a face found."""


def mean_error(weights: Floats, x: np.ndarray, y: np.ndarray) -> Floats:
    """Mean absolute difference, 0..1, of uint8 pictures (n, 3, H, W) under weights (B, n)."""
    errors = [np.abs(a.astype(np.float32) - b).mean() / 255 for a, b in zip(x, y, strict=True)]
    return weighted_mean(weights, np.array(errors, np.float64))


def find_landmarks(pictures: NDArray[np.uint8], landmarks: Landmarks) -> Floats:
    """Landmarks of every picture: uint8 `(N, 3, H, W)` to `(N, 5, 2)` px, nan where no face is found."""
    found = np.full((len(pictures), 5, 2), np.nan)
    for row, picture in enumerate(pictures):
        points = landmarks(np.ascontiguousarray(picture.transpose(1, 2, 0)))
        if points is not None:
            found[row] = points
    return found


def part_agreement(
    photos: NDArray[np.uint8],
    drawings: NDArray[np.uint8],
    landmarks: Landmarks,
    *,
    n_boot: int = 2000,
    seed: int = 0,
) -> Parts:
    """Colours of hair and cheeks, and positions of eyes and mouth, photo against drawing.

    Lightness and a*, b* are compared by Spearman's correlation over the pictures; Delta E is CIE76 after the
    means of both sides have been matched; positions are in parts of the picture's side.

    Args:
        photos: uint8 RGB `(N, 3, S, S)`.
        drawings: their drawings, same shape and order.
        landmarks: a detector that works on both.
        n_boot: resamples of each interval.
        seed: of shuffling and resampling.

    Raises:
        EvalError: other shapes.
    """
    if photos.shape != drawings.shape or photos.ndim != 4 or photos.shape[2] != photos.shape[3]:
        raise EvalError(
            f"expected one square drawing (N, 3, S, S) per photo; found {photos.shape} and {drawings.shape}"
        )
    on_photos, on_drawings = find_landmarks(photos, landmarks), find_landmarks(drawings, landmarks)
    has_photo, has_drawing = _complete(on_photos), _complete(on_drawings)
    used = np.where(has_drawing[:, None, None], on_drawings, on_photos)
    questions = [
        *_colour_questions(region_colours(photos, on_photos), region_colours(drawings, used)),
        *_place_questions(on_photos / photos.shape[2], on_drawings / photos.shape[2]),
    ]
    agreements = []
    for name, statistic, photo, drawing, higher in questions:
        usable = _complete(photo) & _complete(drawing)
        if usable.sum() >= FEW:
            asked = compare_pairs(
                name,
                statistic,
                photo[usable],
                drawing[usable],
                higher_is_better=higher,
                extractor=REGIONS,
                n_boot=n_boot,
                seed=seed,
            )
            agreements.append(asked)
    found = (proportion(has, len(has), REGIONS) for has in (has_photo, has_drawing))
    return Parts(tuple(agreements), *found)


def _colour_questions(
    photos: tuple[Floats, Floats], drawings: tuple[Floats, Floats]
) -> Iterator[tuple[str, Statistic, Floats, Floats, bool]]:
    """Of hair and cheeks, each (N, 3) Lab: name, statistic, both sides, and whether more is better."""
    for region, photo, drawing in zip(("hair", "cheek"), photos, drawings, strict=True):
        for axis, channel in enumerate(("L*", "a*", "b*")):
            name = f"{region} {channel} correlation"
            yield name, rank_correlation, photo[:, axis], drawing[:, axis], True
        yield f"{region} Delta E", mean_distance, *_centred(photo, drawing), False
    contrasts = [hair[:, 0] - cheek[:, 0] for hair, cheek in (photos, drawings)]
    yield "hair minus cheek L* correlation", rank_correlation, contrasts[0], contrasts[1], True


def _place_questions(
    photos: Floats, drawings: Floats
) -> Iterator[tuple[str, Statistic, Floats, Floats, bool]]:
    """Of landmarks (N, 5, 2) in parts of the side, as `_colour_questions`."""
    eyes = [np.linalg.norm(side[:, 1] - side[:, 0], axis=1, keepdims=True) for side in (photos, drawings)]
    yield "eye midpoint off by (sides)", mean_distance, photos[:, :2].mean(1), drawings[:, :2].mean(1), False
    yield "eye distance off by (sides)", mean_distance, eyes[0], eyes[1], False
    yield "mouth centre off by (sides)", mean_distance, photos[:, 3:].mean(1), drawings[:, 3:].mean(1), False


def _complete(rows: Floats) -> NDArray[np.bool_]:
    """Which rows of (N, ...) hold no nan: (N,)."""
    return np.array(~np.isnan(rows).reshape(len(rows), -1).any(1))


def _centred(photo: Floats, drawing: Floats) -> tuple[Floats, Floats]:
    """Both sides (n, 3) less their mean over the pairs that have both."""
    usable = _complete(photo) & _complete(drawing)
    if not usable.any():
        return photo, drawing
    return photo - photo[usable].mean(0), drawing - drawing[usable].mean(0)


def cycle_agreement(
    photos: NDArray[np.uint8], reconstructions: NDArray[np.uint8], *, n_boot: int = 2000, seed: int = 0
) -> Agreement:
    """Mean L1 in 0..1 between photos and netG_B(netG_A(photo)), uint8 `(N, 3, S, S)` each.

    Raises:
        EvalError: different shapes or fewer than two.
    """
    if photos.shape != reconstructions.shape or len(photos) < 2:
        raise EvalError(
            f"expected one reconstruction per photo, two or more; found {photos.shape} and "
            f"{reconstructions.shape}"
        )
    name, pairs = "cycle L1 (0..1)", (photos, reconstructions)
    return compare_pairs(
        name, mean_error, *pairs, higher_is_better=False, extractor="pixels", n_boot=n_boot, seed=seed
    )

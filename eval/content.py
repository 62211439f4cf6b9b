"""Does a result still show its own photo's person and pose? Each result looks for its photo among all photos.

Three views that fail differently: edges (where contours run), layout (which areas are light and dark) and
the colours of hair and cheeks where a face is found. A style that redraws every contour may keep the layout;
a pencil sketch keeps no colour, which says nothing against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.colour_regions import region_colours
from eval.correspondence import FEW, REGIONS, Landmarks, find_landmarks
from eval.errors import EvalError
from eval.intervals import Estimate, bootstrap_mean, proportion
from eval.structure import LAYOUT, STRUCTURE, layout_features, structure_features

EDGES_VIEW, LAYOUT_VIEW, COLOUR_VIEW = "edges", "layout", "colours"
"""Keys of `content_views`."""
_COLOURLESS = 1.0
"""A colour channel that varies less than this over the pictures, in CIELAB units, has nothing to match."""


@dataclass(frozen=True)
class Identification:
    """Can each result be told to be its own photo's?"""

    top1: Estimate
    """Share of results whose nearest photo is their own, with Wilson's interval."""
    reciprocal_rank: Estimate
    """Mean of 1 / rank of the own photo, with its bootstrap interval."""
    chance: float
    """What guessing would give for `top1`: 1 / n photos."""
    ranks: np.ndarray
    """Rank of the own photo for each result (N,), 1 is best."""
    nearest: np.ndarray
    """Row of the nearest photo of each result (N,)."""


def content_identification(
    photo_feats: np.ndarray, result_feats: np.ndarray, *, extractor: str = STRUCTURE, seed: int = 0
) -> Identification:
    """Rank all photos by their similarity to each result.

    Both sides are centred on their own mean first: what all results share is style, what all photos share is
    being photos, and neither says who is shown.

    Args:
        photo_feats: features (N, D) of the photos, N >= 2, such as `structure_features`.
        result_feats: features (N, D) of their results in the same order.
        extractor: name to print.
        seed: of the bootstrap.

    Raises:
        EvalError: different shapes or fewer than two pictures.
    """
    photos, results = _pair(photo_feats, result_feats)
    return _identify(_centred_unit(results) @ _centred_unit(photos).T, extractor, seed)


def colour_identification(
    photo_colours: np.ndarray, result_colours: np.ndarray, *, extractor: str = REGIONS, seed: int = 0
) -> Identification:
    """Rank all photos by how near the colours of their parts are to those of each result.

    Every channel is brought to mean 0 and deviation 1 on both sides, since a style may pale or tint all
    pictures alike; a channel without colour on either side is left out.

    Args:
        photo_colours: `(N, K)` CIELAB channels of the photos' parts, N >= 2, finite.
        result_colours: those of their results in the same order.
        extractor: name to print.
        seed: of the bootstrap.

    Raises:
        EvalError: different shapes or fewer than two pictures.
    """
    photos, results = _pair(photo_colours, result_colours)
    spreads = photos.std(0), results.std(0)
    used = np.minimum(*spreads) >= _COLOURLESS
    scaled = [
        ((s - s.mean(0)) / np.maximum(d, 1e-12))[:, used]
        for s, d in zip((photos, results), spreads, strict=True)
    ]
    apart = ((scaled[1][:, None] - scaled[0][None]) ** 2).sum(2)
    return _identify(-apart, extractor, seed)


def part_colours(
    photos: NDArray[np.uint8], results: NDArray[np.uint8], landmarks: Landmarks
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Colours of hair and cheeks on both sides, each `(N, 6)` CIELAB; nan where there are none.

    A face that is found on the photo alone lends its landmarks to the result, as in
    `correspondence.part_agreement`.

    Args:
        photos: uint8 RGB `(N, 3, S, S)`.
        results: their results, same shape and order.
        landmarks: a detector that works on both.
    """
    on_photos, on_results = (find_landmarks(side, landmarks) for side in (photos, results))
    found = ~np.isnan(on_results).any((1, 2), keepdims=True)
    sides = (photos, on_photos), (results, np.where(found, on_results, on_photos))
    colours = [np.concatenate(region_colours(pictures, points), 1) for pictures, points in sides]
    return colours[0], colours[1]


def content_views(
    photos: NDArray[np.uint8],
    results: NDArray[np.uint8],
    landmarks: Landmarks | None = None,
    *,
    seed: int = 0,
) -> Mapping[str, Identification]:
    """Matching rates by edges, by layout and, with a face detector, by the colours of parts.

    The last is taken over the pairs where a face is found, and left out where those are fewer than
    `correspondence.FEW`.

    Args:
        photos: uint8 RGB `(N, 3, S, S)`, N >= 2.
        results: their results, same shape and order.
        landmarks: a detector that works on both; None leaves colours out.
        seed: of the bootstrap.

    Raises:
        EvalError: sides that do not fit, or fewer than two pictures.
    """
    views = {
        EDGES_VIEW: content_identification(*map(structure_features, (photos, results)), seed=seed),
        LAYOUT_VIEW: content_identification(
            *map(layout_features, (photos, results)), extractor=LAYOUT, seed=seed
        ),
    }
    if landmarks is not None:
        colours = part_colours(photos, results, landmarks)
        usable = ~np.isnan(np.concatenate(colours, 1)).any(1)
        if usable.sum() >= FEW:
            views[COLOUR_VIEW] = colour_identification(*(side[usable] for side in colours), seed=seed)
    return views


def _pair(photos: np.ndarray, results: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    photos, results = (np.asarray(side, np.float64) for side in (photos, results))
    if photos.shape != results.shape or photos.ndim != 2 or len(photos) < 2:
        raise EvalError(
            f"expected one result per photo, at least two; found {photos.shape} and {results.shape}"
        )
    return photos, results


def _identify(similarity: np.ndarray, extractor: str, seed: int) -> Identification:
    """From similarities (N results, N photos)."""
    # Ties count against the result, or results that all look the same would score like perfect ones.
    ranks = (similarity >= np.diag(similarity)[:, None]).sum(1)
    n = len(similarity)
    reciprocal = Estimate(*bootstrap_mean(1 / ranks, seed=seed), n, n, extractor)
    return Identification(
        proportion(ranks == 1, n, extractor), reciprocal, 1 / n, ranks, similarity.argmax(1)
    )


def _centred_unit(rows: np.ndarray) -> np.ndarray:
    rows = rows - rows.mean(0)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

"""Can several hands be told apart? Each picture of each side looks for the side it is most like."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from eval.errors import EvalError
from eval.intervals import Estimate, proportion
from eval.ranking import check_gallery, equal_size_score, gallery_scale, unit_rows


def confusion(
    sides: Mapping[str, np.ndarray], twins: Collection[str] = (), *, k: int = 3, extractor: str = ""
) -> dict[tuple[str, str], Estimate]:
    """Share of one side's pictures that are nearest to each side, with Wilson's intervals.

    Nearness is that of `style_rank.style_rank`: features standardised with all sides, the mean of the k
    largest cosines, every side as if it had as many pictures as the smallest. A picture is left out of its
    own side. Ties count against the own side.

    Args:
        sides: features (N, D) by name, two sides or more, of two pictures or more.
        twins: sides whose row i shows the same photo in each: a picture's twins are left out too, or two
            styles would be told by what they show.
        k: neighbours per side.
        extractor: name to print.

    Returns:
        By (side of the pictures, side that is nearest); the shares of one side's pictures sum to 1.

    Raises:
        EvalError: fewer than two sides, fewer than two pictures in one, twins of different numbers, or
            features of different lengths or not finite.
    """
    if len(sides) < 2:
        raise EvalError(f"{len(sides)} side cannot be told apart; expected two or more")
    rows = check_gallery(sides, np.shape(next(iter(sides.values())))[-1])
    small = [name for name, features in rows.items() if len(features) < 2]
    if small:
        raise EvalError(f"{small[0]}: one picture, which is left out; expected two or more", "add pictures")
    if len({len(rows[name]) for name in twins}) > 1:
        counts = ", ".join(f"{name} has {len(rows[name])}" for name in twins)
        raise EvalError(f"twins show the same photos, so they are as many; found: {counts}")
    scale = gallery_scale(rows)
    units = {name: unit_rows(scale.apply(features)) for name, features in rows.items()}
    # One size for all queries: shares of different sides could not be compared otherwise.
    compared = min(len(features) for features in rows.values()) - 1
    found = {}
    for name, queries in units.items():
        scores = []
        for other, gallery in units.items():
            cosines = queries @ gallery.T
            if other == name or {other, name} <= set(twins):
                cosines = cosines[~np.eye(len(queries), dtype=bool)].reshape(len(queries), -1)
            scores.append(equal_size_score(cosines, compared, min(k, compared)))
        own = list(units).index(name)
        scores[own] = np.nextafter(scores[own], -np.inf)
        nearest = np.argmax(scores, axis=0)
        for place, other in enumerate(units):
            found[name, other] = proportion(nearest == place, len(rows[other]), extractor)
    return found

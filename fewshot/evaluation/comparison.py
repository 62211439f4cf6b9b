"""Before and after: the base's drawings of some photos against the style's drawings of the same photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from eval.content import content_identification
from eval.distances import Scale, kid_interval, kid_ratio_interval
from eval.features import Extractor, get_extractor
from eval.intervals import Estimate
from eval.memorisation import memorisation
from eval.structure import STRUCTURE, structure_features
from eval.style_rank import style_rank
from fewshot.errors import BadInputError, UsageError
from fewshot.evaluation.features import features_of, framed_features_of
from fewshot.evaluation.negatives import credit_lines, with_shipped
from fewshot.evaluation.record import FEW, Comparison, Measure, few_for_kid
from fewshot.evaluation.sources import Gathered

__all__ = ["JUDGES", "Comparison", "Measure", "compare"]

Pictures = np.ndarray | Tensor

JUDGES = ("random", "colour-edge")
"""The extractors that were in no loss of any training here."""


class Sides(NamedTuple):
    """Features (n, D) of what is compared."""

    drawings: np.ndarray
    """The artist's drawings."""
    base: np.ndarray
    """The base's results."""
    style: np.ndarray
    """The style's results, of the same photos in the same order."""


def compare(
    style_results: Pictures,
    base_results: Pictures,
    photos: Pictures,
    drawings: Pictures | Gathered,
    others: Mapping[str, Pictures | Gathered],
    *,
    extractors: Sequence[str | Extractor] = JUDGES,
    target: str = "artist",
    training: Pictures | None = None,
    views: int = 1,
) -> Comparison:
    """Measure a style against its base on the same photos.

    Args:
        style_results: uint8 `(M, 3, H, W)`, the photos in the style.
        base_results: uint8 `(M, 3, H, W)`, the same photos in the same order, drawn by the base alone.
        photos: uint8 `(M, 3, H, W)`, as the model saw them.
        drawings: uint8 `(N, 3, H, W)` of the artist; for an honest number, ones that were not trained on.
            Gathered ones (`sources.gather`) have their features looked up in the cache.
        others: drawings of other artists by name, the negatives of the style rank; none leaves it out.
        extractors: names or ready extractors; the default ones were in no loss.
        target: what to call the artist among `others`.
        training: the drawings trained on, two or more, to look for copies; None leaves that out.
        views: how many rows belong to one photo (crops, mirror images). Above 1 there is no KID.

    Raises:
        BadInputError: no picture on a side, or sides of different lengths.
        UsageError: `target` is also the name of another artist.
        EvalError: wrong shapes or types, or an unknown extractor.
    """
    _check(style_results, base_results, photos, drawings, others, target)
    judges = [e if isinstance(e, Extractor) else get_extractor(e) for e in extractors]
    n = {"results": len(photos), "photos": len(photos) // views, "views": views, "drawings": len(drawings)}
    measures: list[Measure] = []
    notes: list[str] = []
    for judge in judges:
        own = framed_features_of(judge, drawings)
        framed = {name: framed_features_of(judge, pictures) for name, pictures in others.items()}
        results = (features_of(judge, side, quiet=True) for side in (base_results, style_results))
        sides = Sides(own[:, 0], *results)
        if views == 1 and min(len(drawings), len(photos)) >= FEW:
            measures.append(_kid(judge, sides, {name: rows[:, 0] for name, rows in framed.items()}))
        hands = with_shipped(judge, own, framed)
        if hands:
            measures += _style(judge, sides, {target: own, **hands}, target)
        notes += credit_lines(judge, hands)
    if not any(measure.name == "KID" for measure in measures):
        notes.append(few_for_kid(n))
    if views > 1:
        notes.append("views of one photo are alike: the intervals are narrower than for as many photos")
    if not any(measure.name == "style top-1" for measure in measures):
        notes.append("no style rank: it needs drawings by others")
    if len(photos) > 1:
        measures += _content(photos, base_results, style_results)
    else:
        notes.append("no content score: it tells one photo from others, and there is only one")
    if training is not None and len(training) < 2:
        notes.append("no search for copies: it needs two training drawings")
    copied = _copies(style_results, training)
    return Comparison(
        tuple(measures),
        {judge.name: {"sha256": judge.sha256, "resize": judge.resize} for judge in judges},
        n,
        {name: len(pictures) for name, pictures in others.items()},
        (int(style_results.shape[2]), int(style_results.shape[3])),
        *copied,
        notes=tuple(notes),
    )


def _check(
    style: Pictures,
    base: Pictures,
    photos: Pictures,
    drawings: Pictures | Gathered,
    others: Mapping[str, Pictures | Gathered],
    target: str,
) -> None:
    if not len(style) == len(base) == len(photos):
        raise BadInputError(
            f"{len(photos)} photos, {len(base)} results of the base and {len(style)} of the style; expected "
            "one of each per photo",
            "draw the same photos with both",
        )
    if not len(photos) or not len(drawings):
        raise BadInputError(
            f"{len(photos)} photos and {len(drawings)} drawings; expected at least one of each"
        )
    if target in others:
        raise UsageError(f"{target!r} names the artist and another style", "give the other one another name")


def _kid(
    judge: Extractor,
    sides: Sides,
    negatives: Mapping[str, np.ndarray],
) -> Measure:
    if not judge.standardised:
        scale = Scale.fit(sides.drawings, *negatives.values())
        sides = Sides(*(scale.apply(side) for side in sides))
    return Measure(
        "KID",
        judge.name,
        kid_interval(sides.drawings, sides.base, extractor=judge.name),
        kid_interval(sides.drawings, sides.style, extractor=judge.name),
        kid_ratio_interval(*sides, extractor=judge.name),
    )


def _style(
    judge: Extractor,
    sides: Sides,
    gallery: Mapping[str, np.ndarray],
    target: str,
) -> list[Measure]:
    before, after = (style_rank(side, gallery, target, extractor=judge.name) for side in sides[1:])
    chance = 1 / len(gallery)
    return [
        Measure("style top-1", judge.name, before.top1, after.top1, chance=chance),
        Measure("style reciprocal rank", judge.name, before.reciprocal_rank, after.reciprocal_rank),
    ]


def _content(photos: Pictures, base: Pictures, style: Pictures) -> list[Measure]:
    features = structure_features(photos)
    before, after = (content_identification(features, structure_features(side)) for side in (base, style))
    return [
        Measure("content top-1", STRUCTURE, before.top1, after.top1, chance=after.chance),
        Measure("content reciprocal rank", STRUCTURE, before.reciprocal_rank, after.reciprocal_rank),
    ]


def _copies(results: Pictures, training: Pictures | None) -> tuple[Estimate | None, tuple[int, ...]]:
    if training is None or len(training) < 2:
        return None, ()
    found = memorisation(structure_features(results), structure_features(training))
    return found.copied, found.flagged

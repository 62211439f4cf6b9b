"""Every number of a report, by the same functions as the single verbs of `fewshot eval`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eval.content import Identification, content_views
from eval.distances import Scale, kid_interval, kid_ratio_interval
from eval.features import Extractor
from eval.intervals import Estimate
from eval.memorisation import Lean, Memorisation, lean_to_training, memorisation
from eval.precision_recall import K, PrecisionRecall, precision_recall
from eval.report_plots import Kind
from eval.structure import structure_features
from eval.style_rank import StyleRank, style_rank
from fewshot.evaluation.features import features_of, framed_features_of
from fewshot.evaluation.landmarks import landmark_detector
from fewshot.evaluation.negatives import with_shipped
from fewshot.evaluation.record import FEW
from fewshot.evaluation.report_sides import Sides
from fewshot.evaluation.rows import Row
from fewshot.evaluation.same_person import cycle_row
from fewshot.output import progress

_HALVES = "the drawings among themselves"


@dataclass(frozen=True, eq=False)
class Rows:
    """Features (n, D) of every side by one judge."""

    results: np.ndarray
    """What is judged."""
    before: np.ndarray | None
    """The base's own, where a style is judged."""
    drawings: np.ndarray
    """What it is judged by."""
    photos: np.ndarray | None
    """The photos."""
    others: Mapping[str, np.ndarray]
    """Drawings by others."""
    framed: np.ndarray
    """The drawings in V framings (n, V, D), as they are."""
    others_framed: Mapping[str, np.ndarray]
    """Those by others, likewise."""

    @classmethod
    def of(cls, judge: Extractor, sides: Sides) -> Rows:
        """Computed, or found in the cache where pictures come from files."""
        drawn = sides.before is not None or sides.paired is sides.results
        framed = framed_features_of(judge, sides.drawings)
        others = {name: framed_features_of(judge, side) for name, side in sides.others.items()}
        return cls(
            features_of(judge, sides.results.pixels if drawn else sides.results),
            features_of(judge, sides.before.pixels) if sides.before is not None else None,
            framed[:, 0],
            features_of(judge, sides.photos) if sides.photos is not None else None,
            {name: rows[:, 0] for name, rows in others.items()},
            framed,
            others,
        )

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """In the order of `Sides.columns`."""
        return (self.results,) if self.before is None else (self.before, self.results)

    def scaled(self, judge: Extractor) -> Rows:
        """On the scale of the drawings and the other hands, never of results, where the judge has none."""
        if judge.standardised:
            return self
        scale = Scale.fit(self.drawings, *self.others.values())
        return replace(
            self,
            results=scale.apply(self.results),
            before=scale.apply(self.before) if self.before is not None else None,
            drawings=scale.apply(self.drawings),
            photos=scale.apply(self.photos) if self.photos is not None else None,
            others={name: scale.apply(features) for name, features in self.others.items()},
        )

    def ranks(self, judge: Extractor) -> tuple[StyleRank, ...]:
        """Which hand each column looks most like, the shipped ones among them."""
        hands = with_shipped(judge, self.framed, self.others_framed)
        # Longer than every other name, so it is none of them.
        target = max(hands, key=len) + " (own)"
        gallery = {target: self.framed, **hands}
        return tuple(style_rank(column, gallery, target, extractor=judge.name) for column in self.columns)


@dataclass(frozen=True)
class Yardstick:
    """A distance to hold the results' own against."""

    label: str
    """What lies at that distance from the drawings."""
    kind: Kind
    """Whose pictures."""
    kid: Estimate
    """KID to the drawings."""


@dataclass(frozen=True, eq=False)
class Findings:
    """What was measured of each column of `Sides.columns`."""

    judges: tuple[Extractor, ...]
    """The first one decides."""
    kid: Mapping[str, tuple[Estimate, ...]]
    """By judge: KID to the drawings of each column; without a judge where pictures are too few."""
    ratio: Mapping[str, Estimate]
    """By judge: after over before, where there is a before."""
    yardsticks: tuple[Yardstick, ...]
    """By the first judge."""
    style: Mapping[str, tuple[StyleRank, ...]]
    """By judge: which hand each result looks most like."""
    overlap: tuple[PrecisionRecall, ...]
    """By the first judge, of each column; none where pictures are too few."""
    views: tuple[Mapping[str, Identification], ...]
    """Own photo by edges, layout and colours, of each column; none without photos."""
    cycle: tuple[Row, ...]
    """How far the base's way back ends from the photos, of each column; none without a base or photos."""
    copies: Memorisation | None
    """Copies among the results; None without the drawings trained on."""
    lean: Lean | None
    """Whether results lie nearer to those than to the drawings judged by."""
    rows: Rows
    """Features by the first judge, as they are."""
    notes: tuple[str, ...]
    """What was left out, and why."""


def find(sides: Sides, judges: tuple[Extractor, ...], detector: Path | None) -> Findings:
    """Measure everything that the sides allow.

    Raises:
        EvalError: features that are not finite.
        NotFoundError: a detector was named and is not there.
    """
    rows = [Rows.of(judge, sides) for judge in judges]
    notes: tuple[str, ...] = ()
    few = min(len(sides.drawings), len(sides.results))
    if few < FEW:
        n = f"{len(sides.results)} results and {len(sides.drawings)} drawings"
        notes = (f"no KID: {n}; it needs {FEW} of each",)
    kid, ratio = {}, {}
    for judge, raw in zip(judges, rows, strict=True) if few >= FEW else ():
        name, scaled = judge.name, raw.scaled(judge)
        kid[name] = tuple(kid_interval(scaled.drawings, c, extractor=name) for c in scaled.columns)
        if scaled.before is not None:
            ratio[name] = kid_ratio_interval(scaled.drawings, *scaled.columns, extractor=name)
    first, scaled = judges[0].name, rows[0].scaled(judges[0])
    views, about = _views(sides, detector)
    return Findings(
        judges,
        kid,
        ratio,
        _yardsticks(scaled, first) if few >= FEW else (),
        {judge.name: raw.ranks(judge) for judge, raw in zip(judges, rows, strict=True)},
        tuple(precision_recall(scaled.drawings, c, extractor=first) for c in scaled.columns)
        if few > K
        else (),
        views,
        _cycle(sides),
        *_memorised(sides),
        rows[0],
        (*notes, *about),
    )


def _yardsticks(rows: Rows, extractor: str) -> tuple[Yardstick, ...]:
    """How far photos and other hands are, and how far one half of the drawings is from the other."""
    halves = rows.drawings[::2], rows.drawings[1::2]
    found = []
    if len(halves[1]) >= FEW:
        found.append(Yardstick(_HALVES, "drawings", kid_interval(*halves, extractor=extractor)))
    further = [("the photos", rows.photos), *rows.others.items()]
    for place, (label, features) in enumerate(further):
        if features is not None and len(features) >= FEW:
            distance = kid_interval(rows.drawings, features, extractor=extractor)
            found.append(Yardstick(label, "other" if place else "photos", distance))
    return tuple(found)


def _views(
    sides: Sides, detector: Path | None
) -> tuple[tuple[Mapping[str, Identification], ...], tuple[str, ...]]:
    if sides.photos is None or sides.paired is None:
        return (), ("no content score: it needs the photos of the results",)
    landmarks, notes = landmark_detector(detector)
    columns = [side for side in (sides.before, sides.paired) if side is not None]
    with progress("comparing with the photos", len(columns)) as bar:
        views = []
        for side in columns:
            views.append(content_views(sides.photos.pixels, side.pixels, landmarks))
            bar.update(len(views))
    return tuple(views), notes


def _cycle(sides: Sides) -> tuple[Row, ...]:
    if sides.base is None or sides.photos is None or sides.paired is None:
        return ()
    columns = (side for side in (sides.before, sides.paired) if side is not None)
    return tuple(cycle_row(sides.base, sides.photos, side) for side in columns)


def _memorised(sides: Sides) -> tuple[Memorisation | None, Lean | None]:
    if sides.training is None:
        return None, None
    results, training, drawings = (
        structure_features(side.pixels) for side in (sides.results, sides.training, sides.drawings)
    )
    return memorisation(results, training), lean_to_training(results, training, drawings)

"""The numbers of one recipe on one fold, and over all folds; JSON-ready and pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from eval.intervals import Estimate, wilson
from fewshot.evaluation.record import finite
from fewshot.training.validation import NOISE


@dataclass(frozen=True)
class FoldScore:
    """What the kept weights of one training are worth on the drawings that they never saw."""

    rung: int
    """The rung it was trained to, from 0."""
    step: int
    """Steps trained, fewer than the rung's where training ended by itself."""
    best_step: int
    """Step of the kept weights; 0 is the base."""
    seconds: float
    """Training time so far, looks included."""
    overhead: float
    """Time for loading and scoring, over all rungs so far."""
    kid: dict[str, Estimate]
    """KID between fold and results by extractor. Without bounds for a single drawing, where the distance of
    the means stands in."""
    kid_base: dict[str, Estimate]
    """The same for what the base alone draws."""
    fid: dict[str, float]
    """FID by extractor; nan where there is none."""
    style: Estimate
    """Share of results whose nearest hand is the artist's."""
    content: Estimate
    """Share of results whose own photo is found again."""
    content_base: float
    """The same for the base."""

    @property
    def left(self) -> float:
        """Mean over the extractors of the share of the base's KID that is left."""
        return self.share.value

    @property
    def share(self) -> Estimate:
        """The same with its interval: extractors see the same pictures, so their errors go together."""
        scales = {name: max(base.value, NOISE) for name, base in self.kid_base.items()}
        value, low, high = (
            sum(getattr(kid, end) / scales[name] for name, kid in self.kid.items()) / len(scales)
            for end in ("value", "low", "high")
        )
        one = next(iter(self.kid.values()))
        return Estimate(value, low, high, one.n_x, one.n_y, "+".join(self.kid), one.notes)

    def to_json(self) -> dict[str, Any]:
        """Numbers, texts and lists; what is not finite becomes None."""
        return finite(asdict(self) | {"left": self.left})

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        values = {name: record[name] for name in cls.__dataclass_fields__}
        for name in ("kid", "kid_base"):
            values[name] = {key: _estimate(one) for key, one in values[name].items()}
        for name in ("style", "content"):
            values[name] = _estimate(values[name])
        values["fid"] = {key: _number(one) for key, one in values["fid"].items()}
        return cls(**values)


@dataclass(frozen=True)
class Summary:
    """The same over all folds."""

    left: Estimate
    """Mean share of the base's distance that is left; the base's own distance is taken as known."""
    kid: Estimate
    """Mean KID by the first extractor; its interval takes the folds as independent."""
    kid_base: float
    """The base's."""
    fid: float
    """Mean FID by the same extractor."""
    style: Estimate
    """Share over the results of all folds; n and interval are of the photos, which all folds draw."""
    content: Estimate
    """Likewise."""
    content_base: float
    """Mean of the base's."""
    seconds: float
    """Mean training time."""


def summarise(folds: Sequence[FoldScore]) -> Summary:
    """Combine the folds of one trial; at least one."""
    count = len(folds)
    first = next(iter(folds[0].kid))
    kids = [fold.kid[first] for fold in folds]
    return Summary(
        left=_mean([fold.share for fold in folds]),
        kid=_mean(kids),
        kid_base=sum(fold.kid_base[first].value for fold in folds) / count,
        fid=sum(fold.fid[first] for fold in folds) / count,
        style=_pooled([fold.style for fold in folds]),
        content=_pooled([fold.content for fold in folds]),
        content_base=sum(fold.content_base for fold in folds) / count,
        seconds=sum(fold.seconds for fold in folds) / count,
    )


def _mean(parts: Sequence[Estimate]) -> Estimate:
    """Mean over folds, whose errors are taken as independent."""
    count = len(parts)
    value = sum(part.value for part in parts) / count
    below = math.hypot(*(part.value - part.low for part in parts)) / count
    above = math.hypot(*(part.high - part.value for part in parts)) / count
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    n_x, n_y = sum(part.n_x for part in parts), sum(part.n_y for part in parts)
    return Estimate(value, value - below, value + above, n_x, n_y, parts[0].extractor, notes)


def _pooled(shares: Sequence[Estimate]) -> Estimate:
    """One share of all results; its interval counts each photo once, since all folds draw the same."""
    results, photos = sum(share.n_y for share in shares), max(share.n_y for share in shares)
    value = sum(round(share.value * share.n_y) for share in shares) / results
    ends = wilson(value * photos, photos)
    return Estimate(value, *ends, sum(s.n_x for s in shares), photos, shares[0].extractor)


def _estimate(record: Mapping[str, Any]) -> Estimate:
    value, low, high = (_number(record[name]) for name in ("value", "low", "high"))
    return Estimate(
        value, low, high, record["n_x"], record["n_y"], record["extractor"], tuple(record["notes"])
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value

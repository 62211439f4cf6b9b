"""The validation fold: one number that says whether an adapter still gets closer to unseen drawings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from eval.content import content_identification
from eval.distances import kid, kid_interval
from eval.features import extract, get_extractor
from eval.structure import structure_features

STEERING = ("random-steering", "colour-edge")
"""Steer early stopping together. They are in no loss, and not `random`: that one measures in the end."""

NOISE = 1e-2
"""KID below this is chance on a few pictures; no share is taken of less."""


@dataclass
class Validation:
    """Scores redrawn photos against the fold of the artist's own drawings.

    With fewer than five drawings there is no fold: `drawings` are then all of them, mirrored, and the score
    says how far the style losses got rather than how it will look elsewhere.
    """

    drawings: Tensor
    """uint8 `(N, 3, S, S)`: the fold, or mirrored drawings where there is none."""
    photos: Tensor
    """uint8 `(M, 3, S, S)`: photos never trained on."""
    has_fold: bool
    """Whether `drawings` were kept from training."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Step, KID, content top-1 and score at each look."""

    def __post_init__(self) -> None:
        self.extractors = [get_extractor(name) for name in STEERING]
        self.references = [extract(extractor, self.drawings) for extractor in self.extractors]
        self.photo_structure = structure_features(self.photos.numpy())
        # A single drawing has no unbiased within-set term: distance to the mean stands in for KID.
        self.single = len(self.drawings) < 2 or len(self.photos) < 2

    def score(self, step: int, results: Tensor) -> float:
        """Lower is better: mean share of the base's KID that is left, over the steering extractors.

        Where fewer than 60 % of the photos that were recognised at the start still are, a penalty is added.
        """
        distances = [self._distance(i, extract(e, results)) for i, e in enumerate(self.extractors)]
        now = {"step": float(step), "content_top1": self.content(results)}
        now |= {f"kid_{name}": value for name, value in zip(STEERING, distances, strict=True)}
        first = self.history[0] if self.history else now
        left = [now[f"kid_{name}"] / max(first[f"kid_{name}"], NOISE) for name in STEERING]
        now["score"] = float(np.mean(left)) + 2 * max(0.0, 0.6 * first["content_top1"] - now["content_top1"])
        self.history.append(now)
        return now["score"]

    def content(self, results: Tensor) -> float:
        """Fraction of results whose nearest photo is their own."""
        if len(results) < 2:
            return 1.0
        found = content_identification(self.photo_structure, structure_features(results.numpy()))
        return float(found.top1.value)

    def _distance(self, index: int, features: np.ndarray) -> float:
        reference = self.references[index]
        if self.single:
            return float(np.square(features.mean(0) - reference.mean(0)).mean())
        return kid(reference, features)

    def metrics(self, before: Tensor, after: Tensor) -> dict[str, Any]:
        """Base and adapter on the fold with intervals, for metrics.json."""
        found: dict[str, Any] = {
            "fold": "validation"
            if self.has_fold
            else "none: fewer than five drawings, mirrored ones instead",
            "history": self.history,
            "content_top1_base": self.content(before),
            "content_top1": self.content(after),
        }
        if not self.single:
            extractor, reference = self.extractors[0], self.references[0]
            for name, results in (("kid_base", before), ("kid", after)):
                features = extract(extractor, results)
                estimate = kid_interval(reference, features, extractor=extractor.name)
                found[name] = {
                    "value": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "n": [estimate.n_x, estimate.n_y],
                    "extractor": extractor.name,
                }
        return found

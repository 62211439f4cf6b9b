"""Scores results against one fold, by networks that are in no loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eval.content import content_identification
from eval.distances import fid, kid_interval
from eval.features import Extractor, extract, get_extractor
from eval.intervals import Estimate, proportion
from eval.structure import structure_features
from eval.style_encoder import NAME as STYLE
from eval.style_rank import style_rank
from fewshot.data.style_set import StyleSet
from fewshot.evaluation.features import framed_features_of
from fewshot.evaluation.negatives import with_shipped
from fewshot.training.validation import STEERING

_ARTIST = "the artist"


@dataclass(frozen=True)
class Scored:
    """Numbers of the results of one fold."""

    kid: dict[str, Estimate]
    """By extractor; see `scores.FoldScore`."""
    fid: dict[str, float]
    """By extractor."""
    style: Estimate
    """Share whose nearest hand is the artist's."""
    content: Estimate
    """Share whose own photo is found again."""
    features: dict[str, NDArray[np.float32]]
    """By steering extractor."""
    hits: NDArray[np.float64]
    """1 where the nearest hand is the artist's."""


class Judge:
    """Knows the drawings and photos of one fold.

    Args:
        everything: all drawings: they say which shipped hand may be the artist's own.
        fold: those that the results are compared with, uint8 `(N, 3, S, S)`.
        wholes: the same before they were cut about their faces.
        photos: `(M, 3, S, S)`, in the order of the results.
    """

    def __init__(self, everything: StyleSet, fold: Tensor, wholes: Tensor, photos: Tensor) -> None:
        self.extractors = [get_extractor(name) for name in STEERING]
        self.references = self.references_of(fold)
        self.style: Extractor = get_extractor(STYLE)
        own = framed_features_of(self.style, everything.tensor(), everything.wholes())
        self.hands = with_shipped(self.style, own, {_ARTIST: framed_features_of(self.style, fold, wholes)})
        self.structure = structure_features(photos.numpy())

    @staticmethod
    def references_of(fold: Tensor) -> dict[str, np.ndarray]:
        """Features of drawings by steering extractor."""
        return {name: extract(get_extractor(name), fold) for name in STEERING}

    def score(self, results: Tensor) -> Scored:
        """Measure results `(M, 3, S, S)`, uint8."""
        features = {e.name: extract(e, results) for e in self.extractors}
        kids = {name: distance(self.references[name], rows, name) for name, rows in features.items()}
        fids = {name: _fid(self.references[name], rows) for name, rows in features.items()}
        rank = style_rank(extract(self.style, results), self.hands, _ARTIST, extractor=STYLE)
        hits = (rank.ranks == 1).astype(np.float64)
        return Scored(kids, fids, rank.top1, self._content(results), features, hits)

    def _content(self, results: Tensor) -> Estimate:
        if len(results) < 2:
            return proportion(np.ones(len(results), bool), len(results), "structure")
        return content_identification(self.structure, structure_features(results.numpy())).top1


def distance(reference: np.ndarray, features: np.ndarray, name: str) -> Estimate:
    """KID with its interval; for a single picture, the squared distance of the means without one."""
    if min(len(reference), len(features)) < 2:
        value = float(np.square(features.mean(0) - reference.mean(0)).mean())
        note = ("a single picture: distance of the means instead of KID",)
        return Estimate(value, math.nan, math.nan, len(reference), len(features), name, note)
    return kid_interval(reference, features, extractor=name)


def _fid(reference: np.ndarray, features: np.ndarray) -> float:
    return fid(reference, features) if min(len(reference), len(features)) > 1 else math.nan

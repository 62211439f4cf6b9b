"""Whose hand is this, and how sure is that: styles of an index ranked with scores that mean something.

A cosine of 0.8 says nothing by itself. Its meaning is learned from the index: how alike are drawings of one
hand, each left out once, and how alike are those of different hands? Two numbers follow for every match:

- the probability that the hand is the same, had it been as likely as not before looking: a logistic curve
  through those trials, as in speaker verification (Brümmer and du Preez, Computer Speech & Language 20,
  2006), with Platt's cautious targets.
- the p-value: the share of other hands that come as near to that very style (conformal prediction; Vovk,
  Gammerman and Shafer, 2005). Each hand counts once, however many drawings it has, and with H of them no
  p-value is below 1 / (H + 1): nine artists cannot show more.

Both speak of one style that was asked for. The nearest of many styles was picked for being near: it scores
high for a stranger too, so look at how far behind the second is.

Setting similarities against each style's or each query's own mean and spread (z-norm and t-norm, usual for
speakers) was tried on nine artists with three extractors: it ranked worse and its curve told less each time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from eval.errors import EvalError
from eval.ranking import equal_size_score
from eval.retrieval import StyleIndex

COMPARED = 10
"""Drawings that every style is measured as if it had; one with fewer has what it has, and is a little worse
off."""
COHORT_STYLES = 200
"""Hands that stand for all others."""
COHORT_ROWS = 16
"""Drawings of each of them."""
CANDIDATES = 50
"""Styles that are scored for a query; where the index has no more than these, all."""
_TRIED_STYLES = 100
"""Styles whose trials the logistic curve is fitted to."""
_BREADTH = 200
"""Nearest drawings whose styles are candidates."""


@dataclass(frozen=True)
class StyleMatch:
    """How near a query is to one style."""

    style: str
    """Whose hand."""
    similarity: float
    """Mean cosine to the k nearest of ten drawings of the style, averaged over the query's pictures; styles
    are ranked by it."""
    probability: float
    """That the hand is the same, at even odds beforehand; it rises with the similarity."""
    p_value: float
    """Share of hands that come as near, in [1 / (H + 1), 1]; small speaks for the style."""
    nearest: str
    """Name of the style's drawing that is nearest to one of the query's pictures."""


class StyleMatcher:
    """Ranks the styles of an index for pictures by one hand.

    Args:
        index: at least two styles, one of them with two drawings; not to be changed while this is used.
        k: neighbours per style.

    Raises:
        EvalError: fewer styles or drawings, so that nothing shows what alike and unlike are.
    """

    def __init__(self, index: StyleIndex, k: int = 3) -> None:
        sizes = [len(rows) for rows in index.drawings.by_style.values()]
        if len(sizes) < 2 or max(sizes) < 2:
            raise EvalError(
                f"{len(sizes)} styles of at most {max(sizes, default=0)} drawings; expected two of two",
                "add styles to the index, such as the shipped gallery's",
            )
        self.index, self.k = index, k
        self._hands = [index.styles[i] for i in _spread(len(sizes), COHORT_STYLES)]
        parts = [vectors[_spread(len(vectors), COHORT_ROWS)] for vectors in map(index.vectors, self._hands)]
        self._cohort, self._sizes = np.concatenate(parts), [len(part) for part in parts]
        self._curves: dict[int, tuple[float, float]] = {}

    def match(self, features: np.ndarray, top: int = 10) -> list[StyleMatch]:
        """Rank styles for one picture, several by one hand, or an adapter's style features.

        Args:
            features: (M, D), M >= 1; all of one hand, their similarities are averaged.
            top: styles to return, at most `CANDIDATES`.

        Returns:
            the best styles, best first.

        Raises:
            EvalError: no rows, another length, nan or infinity.
        """
        queries = self.index.space.unit(features)
        if not len(queries):
            raise EvalError("no picture to match; expected one row of features or more")
        cosines = {style: queries @ self.index.vectors(style).T for style in self._candidates(features)}
        similarity = {style: float(self._nearness(near).mean()) for style, near in cosines.items()}
        best = sorted(cosines, key=lambda style: (-similarity[style], style))[:top]
        return [self._described(style, similarity[style], cosines[style]) for style in best]

    def _candidates(self, features: np.ndarray) -> list[str]:
        """Styles of the nearest drawings; a style that no query comes near cannot rank high."""
        if len(self.index.styles) <= CANDIDATES:
            return list(self.index.styles)
        leads: dict[str, float] = {}
        for hits in self.index.search(features, _BREADTH):
            nearest: dict[str, float] = {}
            for hit in hits:
                nearest.setdefault(hit.style, hit.cosine - hits[-1].cosine)
            for style, lead in nearest.items():
                leads[style] = leads.get(style, 0.0) + lead
        return sorted(leads, key=lambda style: -leads[style])[:CANDIDATES]

    def _described(self, style: str, similarity: float, cosines: np.ndarray) -> StyleMatch:
        slope, offset = self._curve(len(cosines))
        others = self._others(style, self.index.vectors(style), len(cosines))
        row = self.index.drawings.rows(style)[int(cosines.max(0).argmax())]
        return StyleMatch(
            style,
            similarity,
            0.5 + 0.5 * math.tanh((slope * similarity + offset) / 2),
            others.p_value(similarity),
            self.index.drawings.all[row].name,
        )

    def _nearness(self, cosines: np.ndarray) -> np.ndarray:
        """Similarity to a style from cosines (Q, N) with its drawings: (Q,)."""
        size = min(COMPARED, cosines.shape[1])
        return equal_size_score(cosines, size, min(self.k, size))

    def _others(self, style: str, own: np.ndarray, size: int) -> _Others:
        """Similarities to a style's vectors (N, D) of sets of `size` drawings by every other hand."""
        sums = np.concatenate([[0.0], np.cumsum(self._nearness(self._cohort @ own.T))])
        starts, ends, hands = self._cohort_sets(size)
        away = hands != (self._hands.index(style) if style in self._hands else -1)
        values = (sums[ends[away]] - sums[starts[away]]) / (ends[away] - starts[away])
        return _Others(values, np.unique(hands[away], return_inverse=True)[1])

    def _cohort_sets(self, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First row, row behind the last, and hand of every set of `size` drawings in the cohort."""
        sets, first = [], 0
        for hand, n in enumerate(self._sizes):
            sets += [(first + start, first + end, hand) for start, end in _sets(n, size)]
            first += n
        starts, ends, hands = np.array(sets).T
        return starts, ends, hands

    def _curve(self, size: int) -> tuple[float, float]:
        """Slope and offset of the logistic curve for queries of `size` pictures."""
        if size not in self._curves:
            tried = [self._hands[i] for i in _spread(len(self._hands), _TRIED_STYLES)]
            vectors = {style: self.index.vectors(style) for style in tried}
            same = [self._left_out(own, size) for own in vectors.values() if len(own) > 1]
            other = [self._others(style, own, size) for style, own in vectors.items()]
            self._curves[size] = _logistic(same, other)
        return self._curves[size]

    def _left_out(self, own: np.ndarray, size: int) -> np.ndarray:
        """Similarities of sets of a style's drawings, each drawing against all others of the style."""
        cosines = own @ own.T
        nearness = self._nearness(cosines[~np.eye(len(own), dtype=bool)].reshape(len(own), -1))
        return np.array([nearness[start:end].mean() for start, end in _sets(len(own), size)])


@dataclass(frozen=True)
class _Others:
    """Similarities of other hands' drawings, or sets of them, to one style; every hand has the same say."""

    values: np.ndarray
    """(C,)"""
    hands: np.ndarray
    """Whose each is (C,), from 0 on."""

    @property
    def weights(self) -> np.ndarray:
        """(C,), 1 in all."""
        counts = np.bincount(self.hands)
        return 1 / (len(counts) * counts[self.hands])

    def p_value(self, similarity: float) -> float:
        """Share of hands that come as near, the query's own counted among them."""
        hands = int(self.hands.max()) + 1
        nearer = float(self.weights[self.values >= similarity].sum())
        return (1 + hands * nearer) / (1 + hands)


def _sets(n: int, size: int) -> list[tuple[int, int]]:
    """As many sets of `size` rows as n rows give, from and to; all of them where there are fewer."""
    size = min(size, n)
    return [(start, start + size) for start in range(0, n - size + 1, size)]


def _spread(n: int, limit: int) -> np.ndarray:
    """At most `limit` of n places, evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, limit)).round().astype(int))


def _logistic(same: list[np.ndarray], other: list[_Others]) -> tuple[float, float]:
    """Slope (not negative) and offset; each style counts once on each side, and the sides count alike.

    Platt's targets (1999) stand for one more style on either side that goes wrong: where the trials separate
    perfectly, the curve still has a finite slope.
    """
    values = np.concatenate([*same, *(trial.values for trial in other)])
    weights = np.concatenate(
        [np.full(len(part), 1 / len(part) / len(same)) for part in same]
        + [trial.weights / len(other) for trial in other]
    )
    target = np.full(len(values), 1 / (len(other) + 2))
    target[: sum(map(len, same))] = (len(same) + 1) / (len(same) + 2)
    curve = LogisticRegression(C=1e9).fit(
        np.tile(values, 2)[:, None],
        np.repeat([1, 0], len(values)),
        np.concatenate([weights * target, weights * (1 - target)]),
    )
    return max(float(curve.coef_[0, 0]), 0.0), float(curve.intercept_[0])

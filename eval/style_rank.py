"""Style by retrieval: whose hand does a picture look most like, among several artists' drawings?

A bare cosine says nothing, since its scale depends on the features; a rank among negatives does. Everything
here is exact and in memory; `retrieval.py` finds neighbours in large collections, `style_match.py` says how
sure a match is.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.errors import EvalError, UnknownNameError
from eval.intervals import Estimate, bootstrap_mean, proportion
from eval.ranking import average_precision, check_gallery, equal_size_score, gallery_scale, unit_rows


@dataclass(frozen=True)
class StyleRank:
    """Where the target style ranks for each query."""

    target: str
    """The style that the queries should show."""
    styles: tuple[str, ...]
    """All styles of the gallery, in the order of the columns of `scores`."""
    scores: np.ndarray
    """Similarity of each query to each style (Q, S); higher is closer."""
    ranks: np.ndarray
    """Rank of the target for each query (Q,), 1 is best; ties count against the target."""
    top1: Estimate
    """Share of queries whose nearest style is the target, with Wilson's interval; chance is 1 / S."""
    reciprocal_rank: Estimate
    """Mean of 1 / rank with its bootstrap interval."""
    precisions: np.ndarray
    """Average precision of each query's first rows (Q,)."""
    average_precision: Estimate
    """mAP@k over rows, framings of one drawing apart; compares only between galleries of the same sizes."""
    compared: int
    """Rows per style that the similarity stands for (the smallest gallery's size)."""

    def ranking(self, query: int) -> list[str]:
        """Styles from nearest to farthest for one query."""
        return [self.styles[i] for i in np.argsort(-self.scores[query], kind="stable")]


def style_rank(
    queries: np.ndarray,
    gallery: Mapping[str, np.ndarray],
    target: str,
    *,
    k: int = 3,
    precision_at: int = 10,
    extractor: str = "",
    leave_out: Sequence[int] | None = None,
    seed: int = 0,
) -> StyleRank:
    """Rank every style of the gallery for every query.

    Features are standardised with the gallery (each style has the same say, whatever its size) and made unit
    vectors. A query's similarity to a style is the mean of its k largest cosines with that style's drawings,
    each in all its framings. The best of 90 drawings beats the best of 10 by luck, so every style is measured
    as if it had only as many rows as the smallest one: the expected value over all subsets of that size, in
    closed form and without drawing any.

    Args:
        queries: features (Q, D).
        gallery: features of N drawings per style, at least two styles: (N, D), or (N, V, D) of V framings of
            each (`eval.framings`).
        target: the style that the queries should show.
        k: neighbours per style, at most the smallest gallery's size.
        precision_at: length of the list for mAP.
        extractor: name to print.
        leave_out: for queries that are gallery pictures of `target`: the drawing that each is, ignored for
            it in all framings.
        seed: of the bootstrap.

    Raises:
        UnknownNameError: target not in the gallery.
        EvalError: no negatives, an empty style, no queries, or features of different lengths.
    """
    styles = tuple(gallery)
    drawings = {style: len(features) for style, features in gallery.items()}
    rows = _check_gallery(queries, gallery, target, leave_out)
    at = styles.index(target)
    scale = gallery_scale(rows)
    unit_queries = unit_rows(scale.apply(queries))
    cosines = {s: unit_queries @ unit_rows(scale.apply(rows[s])).T for s in styles}
    if leave_out is not None:
        drawing = np.repeat(np.arange(drawings[target]), len(rows[target]) // drawings[target])
        keep = drawing != np.asarray(leave_out)[:, None]
        cosines[target] = cosines[target][keep].reshape(len(queries), -1)
    compared = min(c.shape[1] for c in cosines.values())
    scores = np.stack([equal_size_score(cosines[s], compared, min(k, compared)) for s in styles], 1)
    ranks = (scores >= scores[:, at : at + 1]).sum(1)
    n_x = sum(drawings.values())
    precisions = average_precision(cosines, target, precision_at)
    rank, precision = (
        Estimate(*bootstrap_mean(values, seed=seed), n_x, len(queries), extractor)
        for values in (1 / ranks, precisions)
    )
    top1 = proportion(ranks == 1, n_x, extractor)
    return StyleRank(target, styles, scores, ranks, top1, rank, precisions, precision, compared)


def _check_gallery(
    queries: np.ndarray, gallery: Mapping[str, np.ndarray], target: str, leave_out: Sequence[int] | None
) -> dict[str, np.ndarray]:
    if target not in gallery:
        close = difflib.get_close_matches(target, list(gallery), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(gallery)}"
        raise UnknownNameError(f"no style is called {target!r} in the gallery", hint)
    if len(gallery) < 2:
        raise EvalError("a style rank needs negatives; found one style only", "add other artists' drawings")
    flat = {style: _rows(features) for style, features in gallery.items()}
    rows = check_gallery(flat, np.shape(gallery[target])[-1])
    check_gallery({"queries": queries}, rows[target].shape[1])
    if leave_out is not None and len(gallery[target]) < 2:
        raise EvalError(f"{target}: one drawing, which is left out; expected two or more", "add drawings")
    if leave_out is not None and len(leave_out) != len(queries):
        raise EvalError(f"{len(leave_out)} rows to leave out for {len(queries)} queries; expected one each")
    if leave_out is not None and not set(leave_out) <= set(range(len(gallery[target]))):
        raise EvalError(f"{target}: a drawing to leave out is none of 0 to {len(gallery[target]) - 1}")
    return rows


def _rows(features: np.ndarray) -> np.ndarray:
    """Framings of drawings (N, V, D) as rows (N * V, D); what else it may be is looked at later."""
    features = np.asarray(features)
    return features.reshape(-1, features.shape[-1]) if features.ndim == 3 else features


@dataclass(frozen=True)
class StyleRetrieval:
    """How well features find the hand of every drawing of a labelled set, each left out once."""

    ranks: Mapping[str, StyleRank]
    """Per style, its own drawings as queries."""
    top1: Estimate
    """Share of drawings whose nearest style is their own, with Wilson's interval; chance is 1 / S."""
    reciprocal_rank: Estimate
    """Mean of 1 / rank with its bootstrap interval."""
    average_precision: Estimate
    """mAP@k over single drawings with its bootstrap interval."""


def style_retrieval(
    gallery: Mapping[str, np.ndarray],
    *,
    k: int = 3,
    precision_at: int = 10,
    extractor: str = "",
    seed: int = 0,
) -> StyleRetrieval:
    """Leave each drawing of a labelled set out once and rank all styles for it.

    The intervals take drawings as independent, which those of one artist are only in part.

    Args:
        gallery: features (N, D) per style, two styles or more of two drawings or more, one framing of each.
        k, precision_at, extractor, seed: as `style_rank`.

    Raises:
        EvalError: as `style_rank`.
    """
    ranks = {
        style: style_rank(
            rows,
            gallery,
            style,
            k=k,
            precision_at=precision_at,
            extractor=extractor,
            leave_out=range(len(rows)),
            seed=seed,
        )
        for style, rows in gallery.items()
    }
    if not ranks:
        raise EvalError("retrieval over no style was asked for", "add artists' drawings")
    places = np.concatenate([rank.ranks for rank in ranks.values()])
    precision = np.concatenate([rank.precisions for rank in ranks.values()])
    n = len(places)
    means = [Estimate(*bootstrap_mean(m, seed=seed), n, n, extractor) for m in (1 / places, precision)]
    return StyleRetrieval(ranks, proportion(places == 1, n, extractor), *means)

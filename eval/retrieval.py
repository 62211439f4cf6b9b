"""Style by retrieval: whose hand does a picture look most like, among several artists' drawings?

A bare cosine says nothing, since its scale depends on the features; a rank among negatives does. `style_rank`
judges results, `StyleIndex` finds the nearest drawings in a large collection. FAISS is used nowhere else.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from eval.errors import EvalError, UnknownNameError, WeightsMismatchError
from eval.features import Extractor
from eval.intervals import Estimate, bootstrap_mean, proportion
from eval.ranking import average_precision, equal_size_score, unit_rows

_FORMAT = "style-index-v1"


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
    average_precision: Estimate
    """mAP@k over single drawings; compares only between galleries of the same sizes."""
    compared: int
    """Drawings per style that the similarity stands for (the smallest gallery's size)."""

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
    vectors. A query's similarity to a style is the mean of its k largest cosines with that style's drawings.
    The best of 90 drawings beats the best of 10 by luck, so every style is measured as if it had only as many
    drawings as the smallest one: the expected value over all subsets of that size, in closed form and without
    drawing any.

    Args:
        queries: features (Q, D).
        gallery: features (N, D) per style, at least two styles.
        target: the style that the queries should show.
        k: neighbours per style, at most the smallest gallery's size.
        precision_at: length of the list for mAP.
        extractor: name to print.
        leave_out: for queries that are gallery pictures of `target`: row of each in its gallery, ignored for
            it.
        seed: of the bootstrap.

    Raises:
        UnknownNameError: target not in the gallery.
        EvalError: no negatives, an empty style, no queries, or features of different lengths.
    """
    styles = tuple(gallery)
    rows = _check_gallery(queries, gallery, target, leave_out)
    at = styles.index(target)
    shift = np.mean([rows[s].mean(0) for s in styles], 0)
    variance = np.mean([((rows[s] - shift) ** 2).mean(0) for s in styles], 0)
    spread = np.sqrt(variance) + max(1e-3 * math.sqrt(float(variance.max())), 1e-12)
    unit_queries = unit_rows((np.asarray(queries, np.float64) - shift) / spread)
    cosines = {s: unit_queries @ unit_rows((rows[s] - shift) / spread).T for s in styles}
    if leave_out is not None:
        keep = np.ones(cosines[target].shape, bool)
        keep[np.arange(len(queries)), list(leave_out)] = False
        cosines[target] = cosines[target][keep].reshape(len(queries), -1)
    compared = min(c.shape[1] for c in cosines.values())
    scores = np.stack([equal_size_score(cosines[s], compared, min(k, compared)) for s in styles], 1)
    ranks = (scores >= scores[:, at : at + 1]).sum(1)
    n_x = sum(len(r) for r in rows.values())
    means = [1 / ranks, average_precision(cosines, target, precision_at)]
    rank, precision = (Estimate(*bootstrap_mean(m, seed=seed), n_x, len(queries), extractor) for m in means)
    return StyleRank(
        target, styles, scores, ranks, proportion(ranks == 1, n_x, extractor), rank, precision, compared
    )


def _check_gallery(
    queries: np.ndarray, gallery: Mapping[str, np.ndarray], target: str, leave_out: Sequence[int] | None
) -> dict[str, np.ndarray]:
    if target not in gallery:
        close = difflib.get_close_matches(target, list(gallery), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(gallery)}"
        raise UnknownNameError(f"no style is called {target!r} in the gallery", hint)
    if len(gallery) < 2:
        raise EvalError("a style rank needs negatives; found one style only", "add other artists' drawings")
    rows = {style: np.asarray(features, np.float64) for style, features in gallery.items()}
    least = {style: 2 if style == target and leave_out is not None else 1 for style in rows}
    for style, features in {**rows, "queries": np.asarray(queries)}.items():
        if (
            features.ndim != 2
            or len(features) < least.get(style, 1)
            or features.shape[1] != rows[target].shape[1]
        ):
            raise EvalError(
                f"{style}: expected features (N, {rows[target].shape[-1]}), N >= 1; found {features.shape}"
            )
        if not np.isfinite(features).all():
            raise EvalError(f"{style}: features contain nan or infinity")
    if leave_out is not None and len(leave_out) != len(queries):
        raise EvalError(f"{len(leave_out)} rows to leave out for {len(queries)} queries; expected one each")
    return rows


class StyleIndex:
    """Nearest drawings among many: exact search by cosine after centring on a gallery's mean."""

    def __init__(self, extractor: Extractor, mean: np.ndarray) -> None:
        """Start an empty index.

        Args:
            extractor: whose features go in; name and sha256 are kept with the index.
            mean: gallery mean (D,) that is subtracted from everything.
        """
        if np.shape(mean) != (extractor.dim,):
            raise EvalError(f"expected a mean of {extractor.dim} numbers; found shape {np.shape(mean)}")
        self.extractor = (extractor.name, extractor.sha256)
        self.mean = np.asarray(mean, np.float32)
        self.labels: list[str] = []
        self._index = faiss.IndexFlatIP(extractor.dim)

    @classmethod
    def build(cls, extractor: Extractor, gallery: Mapping[str, np.ndarray]) -> StyleIndex:
        """Index of features (N, D) per style, centred on the mean of the styles' means."""
        index = cls(extractor, np.mean([np.mean(rows, 0) for rows in gallery.values()], 0))
        for style, rows in gallery.items():
            index.add(rows, [style] * len(rows))
        return index

    def __len__(self) -> int:
        return len(self.labels)

    def add(self, features: np.ndarray, labels: Sequence[str]) -> None:
        """Add rows (N, D) under one label each."""
        rows = self._prepare(features)
        if len(rows) != len(labels):
            raise EvalError(f"{len(rows)} rows but {len(labels)} labels")
        self._index.add(rows)
        self.labels += list(labels)

    def search(self, features: np.ndarray, k: int = 10) -> list[list[tuple[str, float]]]:
        """For each row (Q, D) the k nearest as (label, cosine), nearest first; at most all."""
        cosines, found = self._index.search(self._prepare(features), min(k, len(self)))
        return [
            [(self.labels[i], float(c)) for i, c in zip(places, row, strict=True)]
            for places, row in zip(found, cosines, strict=True)
        ]

    def _prepare(self, features: np.ndarray) -> np.ndarray:
        rows = np.asarray(features, np.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise EvalError(f"expected features (N, {len(self.mean)}); found {rows.shape}")
        return np.ascontiguousarray(unit_rows(rows - self.mean), np.float32)

    def save(self, path: Path) -> None:
        """Write one .npz file, atomically."""
        vectors = (
            self._index.reconstruct_n(0, len(self))
            if len(self)
            else np.zeros((0, len(self.mean)), np.float32)
        )
        facts = {"format": _FORMAT, "extractor": self.extractor[0], "sha256": self.extractor[1]}
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as handle:
                # JSON rather than an object array: reading must not unpickle.
                np.savez(
                    handle,
                    facts=json.dumps(facts),
                    labels=json.dumps(self.labels),
                    mean=self.mean,
                    vectors=vectors,
                )
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path, extractor: Extractor) -> StyleIndex:
        """Read an index made with the same extractor.

        Raises:
            EvalError: no readable index.
            WeightsMismatchError: made with another extractor or other weights.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                facts, labels = json.loads(str(stored["facts"])), json.loads(str(stored["labels"]))
                mean, vectors = stored["mean"], stored["vectors"]
        except Exception as error:
            raise EvalError(f"{path} is not a readable style index: {error}", "build it again") from None
        made = (facts.get("extractor"), facts.get("sha256"))
        if facts.get("format") != _FORMAT or made != (extractor.name, extractor.sha256):
            raise WeightsMismatchError(
                f"{path} was made with {made[0]} {str(made[1])[:12]}…; "
                f"expected {extractor.name} {extractor.sha256[:12]}…",
                "search with that extractor, or build the index again",
            )
        index = cls(extractor, mean)
        index._index.add(np.ascontiguousarray(vectors, np.float32))
        index.labels = labels
        if len(vectors) != len(labels):
            raise EvalError(f"{path} has {len(vectors)} rows and {len(labels)} labels", "build it again")
        return index

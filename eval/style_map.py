"""A map of drawings for reports: two numbers per drawing, near where their style vectors are near.

Two projections are made and the one that lies less is kept: principal components, and t-SNE (van der Maaten
and Hinton, JMLR 9, 2008) started from them. Over nine artists' 337 drawings t-SNE kept 0.99 of the
neighbourhoods (trustworthiness), metric MDS 0.95, Isomap 0.95 and principal components 0.92; within single
artists principal components won 4 times of 18, where drawings were few or evenly spread. On a t-SNE map near
means alike; sizes of groups and distances between them mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness

from eval.checks import check_features
from eval.distances import Scale
from eval.ranking import unit_rows

PERPLEXITY = 30.0
"""Neighbours that t-SNE thinks of, where there are three times as many drawings."""
_EXACT = 200
"""Drawings up to which t-SNE is computed exactly; above, the Barnes-Hut approximation is faster."""
_COMPONENTS = 50
"""Principal components that t-SNE starts from, as its authors do."""


@dataclass(frozen=True, eq=False)
class StyleMap:
    """Drawings in the plane."""

    points: np.ndarray
    """(N, 2) float64 around 0, the farther axis from -1 to 1; equal drawings lie on each other."""
    method: Literal["t-SNE", "PCA"]
    """Which projection was kept."""
    trustworthiness: float
    """Share of kept neighbourhoods in [0, 1] (Venna and Kaski, ICANN 2001): 1 when all that are near on the
    map are near in truth, about 0.5 for a map at random."""
    neighbours: int
    """Size of the neighbourhoods it was measured with; 0 where three drawings or fewer leave nothing to
    measure."""


def style_map(features: np.ndarray, names: Sequence[str] | None = None, *, seed: int = 0) -> StyleMap:
    """Map drawings by their style features; the same drawings give the same map in any order.

    Args:
        features: (N, D), N >= 1; standardised here and compared by cosine.
        names: of the drawings, for errors.
        seed: of t-SNE.

    Raises:
        EvalError: no drawing; nan or infinity, with the drawing's name.
    """
    rows = check_features(features, names)
    # Equal drawings once and in a fixed order: t-SNE would spread them, and depends on the order.
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    unit = unit_rows(Scale.fit(distinct).apply(distinct))
    n = len(unit)
    if n < 4:
        return StyleMap(_framed(_principal(unit, 2))[place.ravel()], "PCA", 1.0, 0)
    neighbours = max(1, min(10, (n - 1) // 3))
    maps: dict[Literal["t-SNE", "PCA"], np.ndarray] = {"PCA": _principal(unit, 2), "t-SNE": _tsne(unit, seed)}
    trust = {
        name: float(trustworthiness(unit, points, n_neighbors=neighbours)) for name, points in maps.items()
    }
    method = max(maps, key=lambda name: trust[name])
    return StyleMap(_framed(maps[method])[place.ravel()], method, trust[method], neighbours)


def _principal(unit: np.ndarray, most: int) -> np.ndarray:
    """Principal components (N, most), the missing ones 0."""
    if len(unit) < 2:
        return np.zeros((len(unit), most))
    count = min(most, *unit.shape)
    found = PCA(count, svd_solver="full").fit_transform(unit)
    return np.pad(found, ((0, 0), (0, most - count)))


def _tsne(unit: np.ndarray, seed: int) -> np.ndarray:
    n = len(unit)
    tsne = TSNE(
        perplexity=min(PERPLEXITY, (n - 1) / 3),
        init="pca",
        method="exact" if n <= _EXACT else "barnes_hut",
        random_state=seed,
    )
    points: np.ndarray = tsne.fit_transform(_principal(unit, max(2, min(_COMPONENTS, *unit.shape))))
    return points.astype(np.float64)


def _framed(points: np.ndarray) -> np.ndarray:
    centred = points - (points.max(0) + points.min(0)) / 2
    return centred / max(float(np.abs(centred).max()), 1e-12)

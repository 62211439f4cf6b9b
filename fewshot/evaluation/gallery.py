"""The shipped gallery of hands as negatives of a style rank, whoever is measured."""

from __future__ import annotations

import numpy as np

from eval.features import Extractor
from eval.ranking import unit_rows
from eval.style_encoder import NAME
from eval.style_gallery import StyleGallery, load_gallery


def gallery_hands(judge: Extractor, drawings: np.ndarray) -> dict[str, np.ndarray]:
    """Vectors (N, V, D) of the shipped hands by name; empty for another extractor than `style`.

    The artist may be one of them, and would then be a negative of their own. So a hand is left out that the
    drawings are, on average, as near to as to their own nearest neighbours.

    Args:
        judge: any extractor.
        drawings: its features (n, V, D) of the artist's drawings, each in V framings.

    Raises:
        WeightsMismatchError: the gallery was made by another encoder.
    """
    if judge.name != NAME:
        return {}
    own = _nearest(drawings, drawings, itself=True)
    return {name: rows for name, rows in known_hands(judge).vectors.items() if _nearest(drawings, rows) < own}


def known_hands(judge: Extractor) -> StyleGallery:
    """The whole gallery, with its attributions."""
    return load_gallery(judge.sha256)


def _nearest(drawings: np.ndarray, others: np.ndarray, itself: bool = False) -> float:
    """Mean cosine of drawings (n, V, D) as they are to the nearest framing of another one (N, V', D).

    1 for one drawing that has only itself.
    """
    if itself and len(drawings) < 2:
        return 1.0
    rows = unit_rows(others.reshape(-1, others.shape[-1]))
    cosines = (unit_rows(drawings[:, 0]) @ rows.T).reshape(len(drawings), *others.shape[:2]).max(2)
    if itself:
        np.fill_diagonal(cosines, -1)
    return float(cosines.max(1).mean())

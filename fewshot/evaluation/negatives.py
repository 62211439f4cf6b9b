"""Whom a style has to be told from: drawings by others, and the hands that every installation knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from eval.features import Extractor
from eval.style_encoder import NAME
from fewshot.evaluation.gallery import gallery_hands, known_hands

_SHIPPED = ", shipped"


def with_shipped(
    judge: Extractor, drawings: np.ndarray | None, others: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Others and the shipped hands; only the extractor `style` knows any.

    Args:
        judge: whose features these are.
        drawings: features (n, V, D) of the artist's drawings in V framings, who is left out of the shipped
            hands; None leaves nobody out.
        others: features of other artists' drawings by name, likewise.

    Raises:
        WeightsMismatchError: the shipped hands were seen by another encoder.
    """
    if drawings is not None:
        # The whole drawings are last: without any of the artist's, those of others would only dilute them.
        shipped = {n: rows[:, : drawings.shape[1]] for n, rows in gallery_hands(judge, drawings).items()}
    else:
        shipped = known_hands(judge).vectors if judge.name == NAME else {}
    return {**others, **{name + _SHIPPED: rows for name, rows in shipped.items()}}


def credit_lines(judge: Extractor, names: Iterable[str]) -> list[str]:
    """Who drew the shipped hands among these names, and under which licence."""
    shipped = [name.removesuffix(_SHIPPED) for name in names if name.endswith(_SHIPPED)]
    if not shipped:
        return []
    attributions = known_hands(judge).attributions
    return [f"{name}{_SHIPPED}: {attributions[name]}" for name in shipped]

"""Whose hand do pictures look like: artists' folders, and the hands that `style` knows, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eval.features import Extractor
from eval.style_rank import style_rank
from fewshot.errors import UsageError
from fewshot.evaluation.decoding import Framing
from fewshot.evaluation.features import features_of, framed_features_of
from fewshot.evaluation.folders import Looking
from fewshot.evaluation.negatives import credit_lines, with_shipped
from fewshot.evaluation.rows import Row, judged
from fewshot.evaluation.sources import gather, style_names
from fewshot.output import warn


def style_rows(results: Path, among: Sequence[Path], looking: Looking) -> list[Row]:
    """Which of several artists do the pictures look like, the nearest one first.

    Args:
        results: the pictures.
        among: drawings, one source per artist; the shipped hands come on top with the extractor `style`.
        looking: the extractor and the size.

    Returns:
        Two rows per artist, one per shipped hand.

    Raises:
        UsageError: fewer than two artists, one folder twice, or the results among the artists.
    """
    resolved = [folder.resolve() for folder in among]
    if len(set(resolved)) < len(resolved):
        raise UsageError("one folder is named twice", "name each artist once: --among DIR --among DIR")
    if results.resolve() in resolved:
        raise UsageError(
            f"{results} is also among the artists, where each picture would find itself",
            "leave it out of --among",
        )
    judge = looking.judge()
    # As they are where no size is asked for: pictures that are cut have to have one.
    crop: Framing = "center" if looking.size is None else "drawn-face"
    sources = [gather(folder, looking.size, crop=crop) for folder in among]
    cut = "as they are" if looking.size is None else "whole and cut about their faces"
    framing = f"the artists' drawings are compared {cut}, and enlarged in three steps"
    artists = {
        name: framed_features_of(judge, drawings)
        for name, drawings in zip(style_names(resolved), sources, strict=True)
    }
    gallery = _with_shipped_to_all(judge, artists)
    if len(gallery) < 2:
        raise UsageError(
            f"{len(gallery)} artist to choose among; expected two or more",
            "name them: --among DIR --among DIR, or take --extractor style, which knows some",
        )
    made = gather(results, looking.size)
    own = set(made.hashes)
    for folder in among:
        # Uncut, as the results are.
        if same := len(own.intersection(gather(folder, looking.size).hashes)):
            warn(f"{same} pictures of {results} are also in {folder}: they find themselves there")
    queries = features_of(judge, made)
    ranks = {name: style_rank(queries, gallery, name, extractor=judge.name) for name in gallery}
    rows = []
    for name in sorted(gallery, key=lambda name: -ranks[name].top1.value):
        notes = (f"chance {1 / len(gallery):.2g}", framing, *credit_lines(judge, [name]))
        sides = (made, *sources)
        rows.append(judged(f"{name}: nearest", ranks[name].top1, judge, looking.size, sides, notes))
        if name in artists:
            rank = ranks[name].reciprocal_rank
            rows.append(judged(f"{name}: 1/rank", rank, judge, looking.size, sides))
    return rows


def _with_shipped_to_all(judge: Extractor, artists: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Artists and the shipped hands that none of them is."""
    for_each = [with_shipped(judge, rows, {}) for rows in artists.values()]
    everyone = with_shipped(judge, None, artists)
    return {
        name: rows
        for name, rows in everyone.items()
        if name in artists or all(name in one for one in for_each)
    }

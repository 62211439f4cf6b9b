"""KID, FID, style and content on plain folders of pictures, as rows for a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.content import content_identification, memorisation, structure_features
from eval.distances import Scale, fid, fid_notes, kid_interval
from eval.features import Extractor, extract, get_extractor
from eval.intervals import Estimate
from eval.retrieval import style_rank
from fewshot.errors import BadInputError, UsageError
from fewshot.evaluation.sources import gather, style_names
from fewshot.output import notice

Row = dict[str, Any]
COLUMNS = ("measure", "value", "low", "high", "n", "extractor")
ALL_COLUMNS = (*COLUMNS, "sha256", "resize", "notes")


def kid_rows(a: Path, b: Path, extractor: str, size: int, weights: Path | None = None) -> list[Row]:
    """KID between two folders, one row.

    Raises:
        BadInputError: fewer than two pictures on a side.
    """
    judge = get_extractor(extractor, weights=weights)
    x, y = _two_sides(judge, a, b, size)
    notes: tuple[str, ...] = ()
    if not judge.standardised:
        scale = Scale.fit(x)
        x, y = scale.apply(x), scale.apply(y)
        notes = ("standardised on the first folder",)
    estimate = kid_interval(x, y, extractor=judge.name)
    return [_row("KID", estimate, judge, _resize(judge, size), notes)]


def fid_rows(a: Path, b: Path, extractor: str, size: int, weights: Path | None = None) -> list[Row]:
    """FID between two folders, one row; no interval: resampling so biased a number would mislead.

    Raises:
        BadInputError: fewer than two pictures on a side.
    """
    judge = get_extractor(extractor, weights=weights)
    x, y = _two_sides(judge, a, b, size)
    nan = float("nan")
    estimate = Estimate(fid(x, y), nan, nan, len(x), len(y), judge.name, fid_notes(len(x), len(y)))
    return [_row("FID", estimate, judge, _resize(judge, size), ("no interval",))]


def style_rows(
    results: Path, among: Sequence[Path], extractor: str, size: int, weights: Path | None = None
) -> list[Row]:
    """Which of several artists do the pictures look like: two rows per artist, the nearest one first.

    Raises:
        UsageError: fewer than two artists, one folder twice, or the results among the artists.
    """
    resolved = [folder.resolve() for folder in among]
    if len(resolved) < 2 or len(set(resolved)) < len(resolved):
        raise UsageError(
            f"{len(set(resolved))} different folders to choose among; expected two or more",
            "name each artist once: --among DIR --among DIR",
        )
    if results.resolve() in resolved:
        raise UsageError(
            f"{results} is also among the artists, where each picture would find itself",
            "leave it out of --among",
        )
    judge = get_extractor(extractor, weights=weights)
    queries = extract(judge, gather(results, size).pixels)
    names = style_names(resolved)
    gallery = {name: extract(judge, gather(f, size).pixels) for name, f in zip(names, among, strict=True)}
    ranks = {name: style_rank(queries, gallery, name, extractor=judge.name) for name in names}
    rows = []
    for name in sorted(names, key=lambda name: -ranks[name].top1.value):
        chance = (f"chance {1 / len(names):.2g}",)
        for what, estimate in (
            ("nearest", ranks[name].top1),
            ("reciprocal rank", ranks[name].reciprocal_rank),
        ):
            extra = chance if what == "nearest" else ()
            rows.append(_row(f"{name}: {what}", estimate, judge, _resize(judge, size), extra))
    return rows


def content_rows(photos: Path, results: Path, size: int, drawings: Path | None = None) -> list[Row]:
    """Can each result be told to be its own photo's, by name; and does any copy a drawing.

    Raises:
        BadInputError: fewer than two pairs of the same name.
    """
    before, after = gather(photos, size), gather(results, size)
    places = {name: row for row, name in enumerate(after.names)}
    pairs = [(row, places[name]) for row, name in enumerate(before.names) if name in places]
    if len(pairs) < 2:
        raise BadInputError(
            f"{len(pairs)} pictures of {photos} have a result of the same name in {results}; expected two or "
            "more",
            "`fewshot stylize PHOTOS -o RESULTS` keeps the names",
        )
    left = len(before) + len(after) - 2 * len(pairs)
    if left:
        notice(f"{left} pictures without a partner of the same name are left out")
    shown = structure_features(before.pixels[[photo for photo, _ in pairs]])
    made = structure_features(after.pixels[[result for _, result in pairs]])
    found = content_identification(shown, made)
    resize = f"Lanczos to {size}, then bilinear to 64x64"
    rows = [
        _row("own photo first", found.top1, None, resize, (f"chance {found.chance:.2g}",)),
        _row("reciprocal rank", found.reciprocal_rank, None, resize),
    ]
    if drawings is not None:
        copies = memorisation(made, structure_features(gather(drawings, size).pixels))
        named = tuple(f"look at {after.names[pairs[row][1]]}" for row in copies.flagged)
        rows.append(_row("copies of drawings", copies.copied, None, resize, named))
    return rows


def _two_sides(judge: Extractor, a: Path, b: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    sides = {path: gather(path, size) for path in (a, b)}
    for path, side in sides.items():
        if len(side) < 2:
            raise BadInputError(f"{path}: one usable picture; expected two or more", "add pictures")
    return extract(judge, sides[a].pixels), extract(judge, sides[b].pixels)


def _resize(judge: Extractor, size: int) -> str:
    return f"Lanczos to {size}, then {judge.resize}"


def _row(
    measure: str, estimate: Estimate, judge: Extractor | None, resize: str, notes: tuple[str, ...] = ()
) -> Row:
    return {
        "measure": measure,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": f"{estimate.n_x} and {estimate.n_y}",
        "extractor": estimate.extractor,
        "resize": resize,
        "notes": "; ".join((*estimate.notes, *notes)),
        "sha256": judge.sha256 if judge else None,
    }

"""The table of a report and its plots of intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eval.intervals import Estimate
from eval.report import NumberRow, Numbers
from eval.report_plots import Bar, Forest, Kind
from fewshot.evaluation.record import finite
from fewshot.evaluation.report_findings import Findings
from fewshot.evaluation.report_sides import Sides

_OVERLAP = ("precision", "recall", "density", "coverage")


def distances(sides: Sides, found: Findings) -> Forest | None:
    """KID of what is judged, between other hands and the photos; None where pictures are too few."""
    judge = found.judges[0].name
    if judge not in found.kid:
        return None
    kinds = _kinds(sides)
    own = zip(sides.columns, found.kid[judge], kinds, strict=True)
    bars = [Bar(_label(sides, name), kid, kind) for (name, _), kid, kind in own]
    sticks = sorted(found.yardsticks, key=lambda stick: stick.kid.value)
    return Forest(
        "How far from the drawings",
        "Kernel distance (KID) to the artist's drawings with its 95 % interval; 0 is no distance, and it may "
        "come out slightly negative. Other hands and the photos show what far means.",
        f"KID by {judge}, n = pictures / drawings",
        (*reversed(bars), *(Bar(stick.label, stick.kid, stick.kind) for stick in sticks)),
    )


def ratios(found: Findings) -> Forest | None:
    """What is left of the base's distance, by each judge; None without a base to compare with."""
    if not found.ratio:
        return None
    return Forest(
        "What is left of the base's distance",
        "KID after over KID before on the same photos; 1 is no change, 0 is as near as the artist's own.",
        "KID ratio, n = pictures / drawings",
        tuple(Bar(judge, ratio, "result") for judge, ratio in found.ratio.items()),
        mark=1.0,
    )


def shares(sides: Sides, found: Findings) -> Forest:
    """Shares in 0..1: whose hand, and whose photo."""
    bars = []
    judge = found.judges[0].name
    for (name, _), kind, rank in zip(sides.columns, _kinds(sides), found.style[judge], strict=True):
        hands = len(rank.styles)
        group = f"nearest hand among {hands} is the artist's (chance {1 / hands:.2g})"
        bars.append(Bar(_label(sides, name), rank.top1, kind, group))
    for view in found.views[-1] if found.views else ():
        for (name, _), kind, views in zip(sides.columns, _kinds(sides), found.views, strict=True):
            if view in views:
                group = f"nearest photo by {view} is its own (chance {views[view].chance:.2g})"
                bars.append(Bar(_label(sides, name), views[view].top1, kind, group))
    return Forest(
        "Whose hand, whose face",
        "Share of the results that look most like this artist, and share that can be told to be their own "
        "photo's; by colours only where a face is found. 95 % intervals.",
        f"share of results; hand by {judge}",
        tuple(bars),
        limits=(0.0, 1.0),
    )


def numbers(sides: Sides, found: Findings) -> Numbers:
    """Every number, one column per side that is judged."""
    return Numbers(
        "All numbers",
        "Brackets hold the 95 % interval; n is pictures judged / pictures compared with.",
        tuple(_label(sides, name) for name, _ in sides.columns),
        tuple(_rows(found, len(sides.columns))),
    )


def records(table: Numbers) -> list[dict[str, Any]]:
    """The table for JSON: one object per number."""
    return [
        finite(
            {
                "measure": row.measure,
                "of": column,
                "value": cell.value,
                "low": cell.low,
                "high": cell.high,
                "n_x": cell.n_x,
                "n_y": cell.n_y,
                "extractor": cell.extractor,
                "notes": [*cell.notes, *([row.note] if row.note else [])],
            }
        )
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell is not None
    ]


def _rows(found: Findings, columns: int) -> Iterator[NumberRow]:
    def last(estimate: Estimate) -> tuple[Estimate | None, ...]:
        return (*([None] * (columns - 1)), estimate)

    for judge in (judge.name for judge in found.judges):
        if judge in found.kid:
            yield NumberRow("KID", judge, found.kid[judge])
        if judge in found.ratio:
            yield NumberRow("KID ratio", judge, last(found.ratio[judge]), "after / before")
        ranks = found.style[judge]
        hands = len(ranks[0].styles)
        yield NumberRow(
            f"style 1st of {hands}", judge, tuple(r.top1 for r in ranks), f"chance {1 / hands:.2g}"
        )
        yield NumberRow("style 1/rank", judge, tuple(r.reciprocal_rank for r in ranks))
    for name in _OVERLAP if found.overlap else ():
        cells = tuple(getattr(one, name) for one in found.overlap)
        yield NumberRow(name, cells[0].extractor, cells, f"k = {found.overlap[0].k}; compare at equal n")
    for view in found.views[-1] if found.views else ():
        seen = [views.get(view) for views in found.views]
        name, chance = found.views[-1][view].top1.extractor, found.views[-1][view].chance
        tops = tuple(one.top1 if one else None for one in seen)
        yield NumberRow(f"own photo by {view}", name, tops, f"chance {chance:.2g}")
        yield NumberRow(
            f"1/rank by {view}", name, tuple(one.reciprocal_rank if one else None for one in seen)
        )
    if found.cycle:
        yield NumberRow(
            "cycle L1 (0..1)", "pixels", tuple(r.estimate for r in found.cycle), found.cycle[-1].notes[0]
        )
    if found.copies is not None:
        yield NumberRow("copies of drawings", found.copies.copied.extractor, last(found.copies.copied))
    if found.lean is not None:
        note = f"0.5 is chance, p = {found.lean.p:.2g} (one-sided, random splits of the drawings)"
        yield NumberRow("nearer to trained-on", found.lean.share.extractor, last(found.lean.share), note)


def _kinds(sides: Sides) -> tuple[Kind, ...]:
    return ("before", "result") if sides.before is not None else ("result",)


def _label(sides: Sides, column: str) -> str:
    if column == "base" and sides.before is not None:
        return f"base ({sides.before.source})"
    return column

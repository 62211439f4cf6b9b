"""What a report shows of single pictures: their nearest neighbours, a map, and how near each one is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.content import EDGES_VIEW
from eval.memorisation import COPY_RATIO, memorisation
from eval.ranking import gallery_scale, unit_rows
from eval.report_pictures import Gallery, Picture
from eval.report_plots import Cloud, Kind, MapPlot, Spread, Strips
from eval.structure import structure_features
from eval.style_map import style_map as style_map_of
from fewshot.evaluation.report_findings import Findings
from fewshot.evaluation.report_sides import Sides
from fewshot.evaluation.sources import Gathered

_WHAT_IS_NEAREST = (
    "Nearest by where edges run, not by style. × tells how near: 1 is as near as the drawings are to each "
    f"other, under {COPY_RATIO:g} is a copy."
)
_METHODS = {
    "t-SNE": "sizes of groups and distances between them mean nothing",
    "PCA": "two axes hold only a part of the differences",
}


def neighbours(sides: Sides, found: Findings, shown: int) -> Gallery:
    """The first results by name beside the nearest drawing and the nearest photo."""
    results = sides.paired if sides.paired is not None else sides.results
    rows = list(range(min(shown, len(results))))
    about = f"The first {len(rows)} by name, never chosen. {_WHAT_IS_NEAREST}"
    return _gallery("Results beside what is nearest", about, sides, found, results, rows)


def suspects(sides: Sides, found: Findings, shown: int) -> Gallery | None:
    """The results that lie nearest to a drawing trained on; None without those."""
    if found.copies is None:
        return None
    results = sides.paired if sides.paired is not None else sides.results
    rows = np.argsort(found.copies.ratio, kind="stable").tolist()
    if sides.paired is not None:
        places = {name: row for row, name in enumerate(results.names)}
        names = [sides.results.names[row] for row in rows]
        rows = [places[name] for name in names if name in places]
    rows = rows[:shown]
    about = f"Nearest first: if there are copies, they are here. {_WHAT_IS_NEAREST}"
    return _gallery("Most like a drawing trained on", about, sides, found, results, rows)


def _gallery(
    title: str, about: str, sides: Sides, found: Findings, results: Gathered, rows: Sequence[int]
) -> Gallery:
    drawings = sides.training if sides.training is not None else sides.drawings
    copies = memorisation(structure_features(results.pixels), structure_features(drawings.pixels))
    headings = [sides.name, "nearest drawing" + (" trained on" if sides.training is not None else "")]
    if sides.before is not None:
        headings.insert(0, "base")
    if sides.photos is not None:
        headings = ["photo", *headings, "nearest photo"]
    lines = []
    for row in rows:
        name, ratio = results.names[row], float(copies.ratio[row])
        line = [Picture(results.pixels[row], f"result {name}", name)]
        if sides.before is not None:
            line.insert(0, Picture(sides.before.pixels[row], f"the base's drawing of {name}"))
        near = int(copies.nearest[row])
        is_copy = ratio < COPY_RATIO
        caption = f"{drawings.names[near]}, {ratio:.2f}\N{NO-BREAK SPACE}×" + (": a copy?" if is_copy else "")
        line.append(Picture(drawings.pixels[near], f"drawing {drawings.names[near]}", caption, is_copy))
        if sides.photos is not None:
            own = found.views[-1][EDGES_VIEW]
            other = int(own.nearest[row])
            right = own.ranks[row] == 1
            caption = "its own" if right else f"another: {sides.photos.names[other]}"
            line.insert(0, Picture(sides.photos.pixels[row], f"photo {name}"))
            alt = f"photo {sides.photos.names[other]}"
            line.append(Picture(sides.photos.pixels[other], alt, caption, not right))
        lines.append(tuple(line))
    return Gallery(title, about, tuple(headings), tuple(lines))


def style_map(sides: Sides, found: Findings) -> MapPlot:
    """All hands, the photos and the results in a plane."""
    rows = found.rows
    clouds: list[tuple[str, Kind, Gathered | None, np.ndarray | None]] = [
        *((name, "other", side, rows.others[name]) for name, side in sides.others.items()),
        ("photos", "photos", sides.photos, rows.photos),
        ("the artist's drawings", "drawings", sides.drawings, rows.drawings),
        ("base", "before", sides.before, rows.before),
        (sides.name, "result", sides.results, rows.results),
    ]
    present = [(label, kind, s, own) for label, kind, s, own in clouds if s is not None and own is not None]
    laid = style_map_of(np.concatenate([own for *_, own in present]))
    ends = np.cumsum([len(own) for *_, own in present])[:-1]
    drawn = []
    for (label, kind, side, own), points in zip(present, np.split(laid.points, ends), strict=True):
        middle = int(np.argmin(np.linalg.norm(own - own.mean(0), axis=1)))
        example = Picture(side.pixels[middle], f"{label}: {side.names[middle]}, in the middle of them")
        drawn.append(Cloud(label, kind, points, side.names, example))
    return MapPlot(
        "Style map",
        f"Each mark is a picture as {found.judges[0].name} sees it; near means alike in style. Laid out by "
        f"{laid.method}: {_METHODS[laid.method]}. {100 * laid.trustworthiness:.0f} % of the map's "
        "neighbourhoods are true ones. The picture in the legend is the most typical one.",
        tuple(drawn),
    )


def nearness(sides: Sides, found: Findings) -> Strips:
    """How far each single picture is from the nearest of the artist's drawings, in style."""
    rows = found.rows
    scale = gallery_scale({"": rows.drawings, **rows.others})
    drawings = unit_rows(scale.apply(rows.drawings))
    own = 1 - drawings @ drawings.T
    np.fill_diagonal(own, np.inf)

    def spread(label: str, kind: Kind, features: np.ndarray) -> Spread:
        return Spread(label, kind, (1 - unit_rows(scale.apply(features)) @ drawings.T).min(1))

    spreads = [
        Spread("the artist's drawings", "drawings", own.min(1)),
        spread(sides.name, "result", rows.results),
    ]
    if rows.before is not None:
        spreads.append(spread("base", "before", rows.before))
    spreads += [spread(name, "other", features) for name, features in rows.others.items()]
    if rows.photos is not None:
        spreads.append(spread("photos", "photos", rows.photos))
    return Strips(
        "How near each picture is",
        "One dot per picture: its distance in style to the nearest of the artist's drawings (a drawing's own "
        "to the nearest other one). Good results lie where the drawings lie themselves.",
        f"1 − cosine by {found.judges[0].name}",
        tuple(spreads),
    )

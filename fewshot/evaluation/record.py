"""The record of a comparison: measures with their intervals, as JSON, as table rows, as remarks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from eval.intervals import Estimate

FEW = 5
"""Photos or drawings under which there is no KID: its interval would be a guess."""
COLUMNS = ("measure", "features", "n", "base", "style")
"""Of the table; `n` is results / drawings (or photos) they are compared with."""


@dataclass(frozen=True)
class Measure:
    """One question asked of the base's results and of the style's."""

    name: str
    """`KID`, `style top-1`, `style reciprocal rank`, `content top-1` or `content reciprocal rank`."""
    extractor: str
    """Name of the features."""
    base: Estimate
    """Of the photos as the base draws them."""
    style: Estimate
    """Of the same photos in the style."""
    ratio: Estimate | None = None
    """style / base with its own paired interval; KID only."""
    chance: float | None = None
    """What guessing would give; shares only."""


@dataclass(frozen=True)
class Comparison:
    """Everything that was measured, with what it takes to judge or repeat it."""

    measures: tuple[Measure, ...]
    """In the order of the table."""
    extractors: Mapping[str, Mapping[str, str]]
    """Name to sha256 and resize method."""
    n: Mapping[str, int]
    """Pictures: `results`, `photos` (results / views), `views` and `drawings`."""
    negatives: Mapping[str, int]
    """Drawings per other style of the style rank."""
    size: tuple[int, int]
    """Height and width at which all sides were compared, px."""
    copied: Estimate | None = None
    """Share of results that copy a training drawing; None when those were not given."""
    copies: tuple[int, ...] = ()
    """Rows of those results, to look at."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""

    def find(self, name: str, extractor: str) -> Measure | None:
        """The measure of that name and extractor, None when it was not taken."""
        return next((m for m in self.measures if (m.name, m.extractor) == (name, extractor)), None)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; a bound that is infinite or not a number becomes null."""
        record = asdict(self)
        record["level"] = 0.95
        plain = finite(record)
        assert isinstance(plain, dict)
        return plain

    def rows(self) -> list[dict[str, Any]]:
        """One mapping per line of the table, with the keys of `COLUMNS`."""
        rows = [row for measure in self.measures for row in _rows(measure)]
        if self.copied is not None:
            text = interval_text(self.copied)
            rows.append(_line("copies a drawing", self.copied, "", text))
        return rows

    def remarks(self) -> list[str]:
        """What a reader of the table must know: pictures, features, and every reason to be careful."""
        others = f"{sum(self.negatives.values())} by {len(self.negatives)} others"
        sides = f"{self.n['drawings']} drawings, {others}"
        lines = [f"{results_text(self.n)}, {sides}; n is results / pictures compared with; 95 % intervals"]
        lines += [f"{k}: {v['resize']}, sha256 {v['sha256'][:12]}" for k, v in self.extractors.items()]
        estimates = [e for m in self.measures for e in (m.base, m.style, m.ratio) if e is not None]
        careful = [f"{e.extractor}: {note}" for e in (*estimates, self.copied) if e for note in e.notes]
        copies = [f"result {row + 1} looks like a copy of a training drawing" for row in self.copies]
        return list(dict.fromkeys((*lines, *careful, *copies, *self.notes)))


def _rows(measure: Measure) -> list[dict[str, Any]]:
    name = measure.name
    if measure.chance is not None:
        name = name.replace("top-1", f"1st of {round(1 / measure.chance)}")
    base, style = interval_text(measure.base), interval_text(measure.style)
    rows = [_line(name.replace("reciprocal rank", "1/rank"), measure.style, base, style)]
    if measure.ratio is not None:
        rows.append(_line(f"{name} ratio", measure.ratio, "1", interval_text(measure.ratio)))
    return rows


def _line(name: str, estimate: Estimate, base: str, style: str) -> dict[str, Any]:
    n = (estimate.n_y, estimate.n_x)
    return {
        "measure": name,
        "features": estimate.extractor,
        "n": f"{n[0]}/{n[1]}",
        "base": base,
        "style": style,
    }


def finite(value: Any) -> Any:
    """The value for JSON: tuples as lists, and what is infinite or not a number as None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def number_text(value: float, digits: int = 3) -> str:
    """Significant digits, and never an exponent for a large number."""
    return f"{value:.0f}" if 10**digits <= abs(value) < math.inf else f"{value:.{digits}g}"


def interval_text(estimate: Estimate) -> str:
    """Value and 95 % interval, such as `0.412 [0.35, 0.48]`."""
    value, low, high = (number_text(v) for v in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def results_text(n: Mapping[str, int]) -> str:
    """How many results of how many photos: `100 photos`, or `4 views of 1 photo`."""
    photos = f"{n['photos']} photo{'s' if n['photos'] != 1 else ''}"
    return f"{n['results']} views of {photos}" if n["views"] > 1 else photos


def few_for_kid(n: Mapping[str, int]) -> str:
    """Why there is no KID."""
    if n["views"] > 1:
        return f"no KID: {results_text(n)} are no sample of photos"
    return f"no KID: {results_text(n)}, drawings: {n['drawings']}; it needs {FEW} of each"

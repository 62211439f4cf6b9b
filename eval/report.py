"""A measurement as one HTML page that needs nothing else: verdict, numbers, pictures and plots.

The page loads nothing (its own policy forbids it), pictures are `data:` addresses, plots are inline SVG, and
the numbers lie in it once more as JSON. Plots are percentages and a little SVG rather than a plotting
library: a forest plot and a scatter are a few lines of template, text keeps its size on a phone, and colours
follow the reader's light or dark theme, which a rendered picture cannot.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import jinja2
from markupsafe import Markup

from eval.intervals import Estimate
from eval.report_pictures import Gallery
from eval.report_plots import Forest, MapPlot, Strips
from eval.report_trials import PictureRows, Table, TradeOff

GENERATOR = "fewshot eval report"
"""Of the page's meta data: tells a report from any other file."""


@dataclass(frozen=True)
class NumberRow:
    """One line of a table of numbers."""

    measure: str
    """What was measured."""
    extractor: str
    """Features that it was measured by; empty where there are none."""
    cells: tuple[Estimate | None, ...]
    """One per column."""
    note: str = ""
    """Shown under the measure, such as what chance gives."""

    @property
    def n(self) -> str:
        """Pictures on the judged and on the reference side."""
        counts = [f"{cell.n_y} / {cell.n_x}" for cell in self.cells if cell is not None]
        return ", ".join(dict.fromkeys(counts))


@dataclass(frozen=True)
class Numbers:
    """A table of numbers with their intervals."""

    template: ClassVar[str] = "numbers.html"
    title: str
    """Heading."""
    about: str
    """How to read it."""
    columns: tuple[str, ...]
    """Of the cells."""
    rows: tuple[NumberRow, ...]
    """From top to bottom."""


Section = Numbers | Forest | Gallery | MapPlot | Strips | Table | TradeOff | PictureRows


@dataclass(frozen=True)
class Report:
    """What a page says."""

    title: str
    """What was judged."""
    subtitle: str
    """Against what, and on what."""
    verdict: tuple[str, ...]
    """One or two plain sentences with their numbers."""
    cautions: tuple[str, ...]
    """Every reason to be careful with them."""
    sections: tuple[Section, ...]
    """From top to bottom."""
    facts: tuple[tuple[str, str], ...]
    """What it takes to repeat the measurement: sources, extractors, versions."""
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Longer lists under the facts, such as what was left out."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """All numbers, JSON-ready, for programs."""


def render(report: Report) -> str:
    """The page as HTML; equal reports give equal pages."""
    return _environment().get_template("page.html").render(report=report, generator=GENERATOR)


def is_report(path: Path) -> bool:
    """Whether a file is a page that `render` made."""
    try:
        with path.open("rb") as handle:
            return f'name="generator" content="{GENERATOR}"'.encode() in handle.read(2000)
    except OSError:
        return False


def number_text(value: float, digits: int = 3) -> str:
    """Significant digits; an infinite bound and one that does not exist as signs."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
    return text.replace("-", "−")


def interval_text(estimate: Estimate) -> str:
    """The 95 % interval, such as `[0.35, 0.48]`; empty where there is none."""
    if math.isnan(estimate.low) and math.isnan(estimate.high):
        return ""
    low, high = (number_text(bound, 2 if abs(bound) < 1 else 3) for bound in (estimate.low, estimate.high))
    return f"[{low}, {high}]"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number_text, "interval": interval_text, "script_json": _script_json}
    return environment


def _script_json(record: Mapping[str, Any]) -> Markup:
    """JSON that may stand in a `script` element: no text in it can end the element."""
    text = json.dumps(record, indent=1, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))

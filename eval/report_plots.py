"""Plots of a report as plain data: where things lie on an axis. The templates draw them as inline SVG.

Positions are percentages of the width, so that a plot fits a phone and a sheet of paper with text of one
size.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from eval.intervals import Estimate
from eval.report_pictures import Picture

Kind = Literal["result", "before", "drawings", "photos", "other"]
"""Whose number or picture it is; decides colour and shape."""

_MARGIN = 3.0
"""Free width on both sides of an axis, %."""
_TICKS = 4


@dataclass(frozen=True)
class Axis:
    """A linear axis."""

    low: float
    """Value at the left end."""
    high: float
    """Value at the right end."""

    @classmethod
    def over(cls, values: Iterable[float], include: Iterable[float] = ()) -> Axis:
        """An axis that holds all finite values and what is to be included."""
        finite = [value for value in (*values, *include) if math.isfinite(value)]
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        # A span below the smallest normal number has no quarter.
        return cls(low, high) if high - low > sys.float_info.min else cls(low - 0.5, high + 0.5)

    def place(self, value: float) -> float:
        """Percentage of the width, two decimals; what lies outside is moved to the end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(_MARGIN + share * (100 - 2 * _MARGIN), 2)

    def holds(self, value: float) -> bool:
        """Whether the value lies on the axis: an infinite bound does not."""
        return self.low <= value <= self.high

    def ticks(self) -> list[tuple[float, str]]:
        """Place and text of about four round values."""
        raw = (self.high - self.low) / _TICKS
        scale = 10 ** math.floor(math.log10(raw))
        step = next(s * scale for s in (1, 2, 2.5, 5, 10) if s * scale >= raw)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [(self.place(i * step), f"{i * step:.6g}") for i in range(first, last + 1)]


@dataclass(frozen=True)
class Bar:
    """One row of a forest plot."""

    label: str
    """What it is."""
    estimate: Estimate
    """Value and interval."""
    kind: Kind
    """Whose."""
    group: str = ""
    """Rows of one group stand together under this heading."""


@dataclass(frozen=True)
class Forest:
    """Numbers with their intervals, one under the other."""

    template: ClassVar[str] = "forest.html"
    title: str
    """Heading."""
    about: str
    """What is shown and how to read it."""
    unit: str
    """Under the axis."""
    bars: tuple[Bar, ...]
    """From top to bottom."""
    mark: float | None = None
    """A value to draw a line at, such as 1 for a ratio."""
    limits: tuple[float, float] | None = None
    """Ends of the axis; None fits them to the bars."""

    @property
    def axis(self) -> Axis:
        """The axis of all bars."""
        if self.limits is not None:
            return Axis(*self.limits)
        values = [v for bar in self.bars for v in (bar.estimate.value, bar.estimate.low, bar.estimate.high)]
        return Axis.over(values, [0.0] if self.mark is None else [0.0, self.mark])


@dataclass(frozen=True)
class Cloud:
    """Pictures of one side as points."""

    label: str
    """What they are."""
    kind: Kind
    """Whose."""
    points: np.ndarray
    """`(n, 2)`."""
    names: tuple[str, ...]
    """Of the pictures."""
    example: Picture | None = None
    """The picture nearest to the middle of the cloud, for the legend."""


@dataclass(frozen=True)
class MapPlot:
    """Pictures laid out so that like styles lie near each other."""

    template: ClassVar[str] = "map.html"
    title: str
    """Heading."""
    about: str
    """How the map was made and what it does not say."""
    clouds: tuple[Cloud, ...]
    """All sides; later ones are drawn over earlier ones."""

    HEIGHT: ClassVar[float] = 70.0
    """Of the plot, where its width is 100."""

    def placed(self, cloud: Cloud) -> list[tuple[float, float, str]]:
        """x, y and name of each point, in a box of 100 by `HEIGHT`."""
        everything = np.concatenate([one.points for one in self.clouds])
        low, high = everything.min(0), everything.max(0)
        # One scale for both axes: distances on the map are what it is for.
        scale = min((np.array([100, self.HEIGHT]) - 6) / np.maximum(high - low, 1e-12))
        middle = (low + high) / 2
        places = (cloud.points - middle) * scale * [1, -1] + np.array([50, self.HEIGHT / 2])
        return [
            (round(float(x), 2), round(float(y), 2), n) for (x, y), n in zip(places, cloud.names, strict=True)
        ]

    def shape(self, cloud: Cloud) -> str:
        """Name of the mark: each kind has its own, and other hands take turns."""
        if cloud.kind != "other":
            return {"result": "circle", "before": "square", "drawings": "diamond", "photos": "cross"}[
                cloud.kind
            ]
        others = [one.label for one in self.clouds if one.kind == "other"]
        return ("triangle", "wedge", "plus", "bar")[others.index(cloud.label) % 4]


@dataclass(frozen=True)
class Spread:
    """One number per picture of a side."""

    label: str
    """What they are."""
    kind: Kind
    """Whose."""
    values: np.ndarray
    """`(n,)`, finite."""

    @property
    def median(self) -> float:
        """Of the values."""
        return float(np.median(self.values))


@dataclass(frozen=True)
class Strips:
    """Numbers of single pictures, one dot each."""

    template: ClassVar[str] = "strips.html"
    title: str
    """Heading."""
    about: str
    """What is shown and how to read it."""
    unit: str
    """Under the axis."""
    spreads: tuple[Spread, ...]
    """From top to bottom."""
    marks: tuple[tuple[float, str], ...] = ()
    """Values to draw a line at, and what they mean."""

    @property
    def axis(self) -> Axis:
        """The axis of all dots."""
        values: Sequence[float] = np.concatenate([spread.values for spread in self.spreads]).tolist()
        return Axis.over(values, [0.0, *(value for value, _ in self.marks)])

    def dots(self, spread: Spread) -> list[tuple[float, float]]:
        """x in % and y in 0..1 of each dot; y, by the golden ratio, only keeps them apart."""
        return [
            (self.axis.place(float(v)), round(0.2 + 0.6 * (i * 0.618034 % 1), 2))
            for i, v in enumerate(spread.values)
        ]

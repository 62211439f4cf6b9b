"""Sections of a report that compares several ways to do one thing: a table, a trade-off, rows of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from eval.intervals import Estimate
from eval.report_pictures import Picture
from eval.report_plots import Axis

Mark = Literal["chosen", "front", "other", "refused"]
"""The recommended one, others that nothing beats, the rest, and those that break a constraint."""


@dataclass(frozen=True)
class TableRow:
    """One line of a table."""

    label: str
    """What it is."""
    note: str
    """Shown under the label; may be empty."""
    cells: tuple[Estimate | str, ...]
    """Numbers with their intervals, or words; an empty text is left out on a phone."""
    marked: bool = False
    """Whether it is to catch the eye."""


@dataclass(frozen=True)
class Table:
    """A table of numbers and words."""

    template: ClassVar[str] = "table.html"
    title: str
    """Heading."""
    about: str
    """How to read it."""
    columns: tuple[str, ...]
    """Headings, the first being that of the labels."""
    rows: tuple[TableRow, ...]
    """From top to bottom, as many cells each as there are columns after the first."""


@dataclass(frozen=True)
class Point:
    """One of what is compared."""

    tag: str
    """Short, shown beside the point."""
    label: str
    """What it is, in the legend."""
    x: Estimate
    """What should be small."""
    y: Estimate
    """What should be large."""
    mark: Mark
    """How it is drawn."""


@dataclass(frozen=True)
class TradeOff:
    """Two numbers of each, and the line of those that no other one beats in both."""

    template: ClassVar[str] = "tradeoff.html"
    title: str
    """Heading."""
    about: str
    """What is shown and how to read it."""
    x_label: str
    """Under the plot."""
    y_label: str
    """Above the plot."""
    points: tuple[Point, ...]
    """In the order of the legend."""

    @property
    def x_axis(self) -> Axis:
        """From left to right; intervals may run out of it, or one wide one would squeeze all points."""
        return Axis.over([point.x.value for point in self.points], [0.0, 1.0])

    @property
    def y_axis(self) -> Axis:
        """From bottom to top."""
        return Axis.over([point.y.value for point in self.points], [0.0, 1.0])

    def height(self, value: float) -> float:
        """Percentage from the top."""
        return round(100 - self.y_axis.place(value), 2)

    @property
    def front(self) -> list[tuple[float, float]]:
        """Places of the points that nothing beats, from left to right, in percent."""
        best = sorted((p for p in self.points if p.mark in ("chosen", "front")), key=lambda p: p.x.value)
        return [(self.x_axis.place(p.x.value), self.height(p.y.value)) for p in best]


@dataclass(frozen=True)
class PictureRow:
    """Pictures of one of what is compared."""

    label: str
    """Whose."""
    note: str
    """Behind the label; may be empty."""
    pictures: tuple[Picture, ...]
    """As many as in every other row."""
    marked: bool = False
    """Whether it is to catch the eye."""


@dataclass(frozen=True)
class PictureRows:
    """The same pictures as each draws them."""

    template: ClassVar[str] = "rows.html"
    title: str
    """Heading."""
    about: str
    """Which pictures were taken."""
    rows: tuple[PictureRow, ...]
    """From top to bottom."""

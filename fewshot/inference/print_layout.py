"""Where pictures lie on photo paper, in pixels at 300 dpi."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fewshot.errors import UsageError

DPI = 300

Paper = Literal["10x15", "a6", "a4"]
Layout = Literal["single", "grid", "passport"]
Fit = Literal["crop", "pad"]

PAPERS: dict[str, tuple[float, float]] = {"10x15": (101.6, 152.4), "a6": (105.0, 148.0), "a4": (210.0, 297.0)}
"""Width and height, mm."""
PASSPORT = (35.0, 45.0)
"""Of one picture of a passport strip, mm (ISO/IEC 19794-5)."""

_BORDERS: dict[str, tuple[float, float]] = {"passport": (3.0, 3.0)}
_BORDER = (5.0, 4.0)
"""Margin and gap, mm, where none is asked for; six passport pictures fit on 10x15 and on A6 with theirs."""


@dataclass(frozen=True)
class Sheet:
    """How pictures are laid out."""

    paper: Paper = "10x15"
    """What is printed on."""
    layout: Layout = "single"
    """One picture a page, a grid of them, or a page full of each at passport size."""
    columns: int = 2
    """Of a grid."""
    rows: int = 3
    """Of a grid."""
    margin: float | None = None
    """White border of the page, mm: most printers need 3 to 5. None: 5, for passport pictures 3."""
    gap: float | None = None
    """Between pictures, mm. None: 4, for passport pictures 3."""
    fit: Fit = "crop"
    """Whether a picture fills its place and loses what sticks out, or lies in it whole."""
    marks: bool = True
    """Crop marks at the corners of every picture."""
    copies: int = 1
    """Of every picture; of every page of passport pictures."""

    @property
    def borders(self) -> tuple[float, float]:
        """Margin and gap, mm."""
        margin, gap = _BORDERS.get(self.layout, _BORDER)
        return margin if self.margin is None else self.margin, gap if self.gap is None else self.gap


@dataclass(frozen=True)
class Place:
    """Where a picture lies on its page, px."""

    left: int
    """Left edge."""
    top: int
    """Upper edge."""
    width: int
    """Width."""
    height: int
    """Height."""


def page_size(sheet: Sheet) -> tuple[int, int]:
    """Width and height of a page, px."""
    width, height = PAPERS[sheet.paper]
    return px(width), px(height)


def places(sheet: Sheet) -> list[Place]:
    """Where the pictures of one page lie, in reading order.

    Raises:
        UsageError: margins and gaps leave no room.
    """
    width, height = page_size(sheet)
    margin, gap = (px(length) for length in sheet.borders)
    if sheet.layout == "passport":
        across, down = map(px, PASSPORT)
        room = [side - 2 * margin + gap for side in (width, height)]
        return _block(
            width, height, room[0] // (across + gap), room[1] // (down + gap), across, down, gap, sheet
        )
    columns, rows = (1, 1) if sheet.layout == "single" else (sheet.columns, sheet.rows)
    across = (width - 2 * margin - (columns - 1) * gap) // columns
    down = (height - 2 * margin - (rows - 1) * gap) // rows
    return _block(width, height, columns, rows, across, down, gap, sheet)


def _block(
    width: int, height: int, columns: int, rows: int, across: int, down: int, gap: int, sheet: Sheet
) -> list[Place]:
    """A grid of equal places in the middle of the page."""
    total = columns * across + (columns - 1) * gap, rows * down + (rows - 1) * gap
    if min(columns, rows) < 1 or min(across, down) < px(8) or total[0] > width or total[1] > height:
        shown = f"{columns} x {rows} pictures" if min(columns, rows) > 0 else "passport pictures"
        borders = "margins of {:g} mm and gaps of {:g} mm".format(*sheet.borders)
        raise UsageError(
            f"{shown} with {borders} do not fit on {sheet.paper}",
            "use a smaller --margin or --gap, fewer --grid columns and rows, or larger --paper",
        )
    left, top = (width - total[0]) // 2, (height - total[1]) // 2
    return [
        Place(left + column * (across + gap), top + row * (down + gap), across, down)
        for row in range(rows)
        for column in range(columns)
    ]


def px(millimetres: float) -> int:
    """Pixels of a length."""
    return round(millimetres / 25.4 * DPI)

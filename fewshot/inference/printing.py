"""Pictures on photo paper: a PDF at 300 dpi with margins and crop marks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageOps

from fewshot.data.pictures import open_picture
from fewshot.errors import ConflictError, UsageError
from fewshot.files import atomic_write
from fewshot.inference.detection import CascadeDetector
from fewshot.output import warn

DPI = 300
MOST_BYTES = 1_000_000_000
"""Of all pages of a file, which are in memory when it is written: 38 of A4, 178 of 10x15."""

Paper = Literal["10x15", "a6", "a4"]
Layout = Literal["single", "grid", "passport"]
Fit = Literal["crop", "pad"]

PAPERS: dict[str, tuple[float, float]] = {"10x15": (101.6, 152.4), "a6": (105.0, 148.0), "a4": (210.0, 297.0)}
"""Width and height, mm."""
PASSPORT = (35.0, 45.0)
"""Of one picture of a passport strip, mm (ISO/IEC 19794-5)."""

_HEAD, _HEAD_SHARE, _ABOVE = 1.35, 0.75, 0.48
"""Height of a head in faces as detectors box them, its share of a passport picture, and the face's middle."""
_TIGHT = 3.0
"""Margin and gap of passport pictures at most, mm: six fit on 10x15 and on A6."""
_MARK, _MARK_GAP = 4.0, 1.0
"""Length of a crop mark and its distance from the picture, mm."""
_COARSE = 100
"""Pixels of the picture to the inch below which pixels are seen at arm's length."""
_QUALITY = 95


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
    margin: float = 5.0
    """White border of the page, mm: most printers need 3 to 5."""
    gap: float = 4.0
    """Between pictures, mm."""
    fit: Fit = "crop"
    """Whether a picture fills its place and loses what sticks out, or lies in it whole."""
    marks: bool = True
    """Crop marks at the corners of every picture."""
    copies: int = 1
    """Of every picture; of every page of passport pictures."""


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


def print_pictures(
    pictures: Sequence[Path], out: Path, sheet: Sheet = Sheet(), *, overwrite: bool = False
) -> int:
    """Write a PDF and return its number of pages.

    Raises:
        UsageError: no picture, another ending than .pdf, places without room, or too many pages.
        ConflictError: the file exists.
        NotFoundError, BadInputError: a picture that cannot be read; nothing is written.
    """
    if out.suffix.lower() != ".pdf":
        raise UsageError(
            f"-o {out}: expected a name that ends in .pdf", f"use -o {out.stem.strip('-') or 'sheet'}.pdf"
        )
    if not pictures:
        raise UsageError("no picture to print", "name pictures: fewshot print me.png -o sheet.pdf")
    if out.exists() and not overwrite:
        raise ConflictError(f"{out} exists already", "choose another name, or add --overwrite")
    each = sheet.copies * (len(places(sheet)) if sheet.layout == "passport" else 1)
    wanted = [path for path in pictures for _ in range(each)]
    count = math.ceil(len(wanted) / len(places(sheet)))
    width, height = page_size(sheet)
    most = MOST_BYTES // (3 * width * height)
    if count > most:
        raise UsageError(
            f"{count} pages, expected at most {most}", "print fewer pictures at once, or use a grid"
        )
    pages = _pages(wanted, sheet)
    first, rest = next(pages), list(pages)
    atomic_write(
        out,
        lambda handle: first.save(
            handle,
            "PDF",
            resolution=DPI,
            save_all=True,
            append_images=rest,
            quality=_QUALITY,
            title=out.stem,
            producer="fewshot-style",
        ),
    )
    return count


def page_of(picture: Image.Image, sheet: Sheet) -> Image.Image:
    """One page with a picture in memory, in every place of it; raises UsageError as `places` does."""
    page = Image.new("RGB", page_size(sheet), "white")
    for place in places(sheet):
        _lay(page, picture, place, sheet)
    return page


def about_the_face(picture: Image.Image) -> Image.Image:
    """The part of a picture for a passport: the largest face's head takes three quarters of the height.

    The whole picture where no face is found, as in many drawings, or the part would be larger than it.
    """
    faces = CascadeDetector().faces(picture)
    if not faces:
        return picture
    face = faces[0]
    height = face.side * _HEAD / _HEAD_SHARE
    width = height * PASSPORT[0] / PASSPORT[1]
    if height > picture.height or width > picture.width:
        return picture
    x, y = face.centre
    left = min(max(x - width / 2, 0), picture.width - width)
    top = min(max(y - _ABOVE * height, 0), picture.height - height)
    return picture.crop((round(left), round(top), round(left + width), round(top + height)))


def page_size(sheet: Sheet) -> tuple[int, int]:
    """Width and height of a page, px."""
    width, height = PAPERS[sheet.paper]
    return _px(width), _px(height)


def places(sheet: Sheet) -> list[Place]:
    """Where the pictures of one page lie, in reading order.

    Raises:
        UsageError: margins and gaps leave no room.
    """
    width, height = page_size(sheet)
    if sheet.layout == "passport":
        across, down, gap = (_px(length) for length in (*PASSPORT, min(sheet.gap, _TIGHT)))
        room = [side - 2 * _px(min(sheet.margin, _TIGHT)) + gap for side in (width, height)]
        return _block(
            width, height, room[0] // (across + gap), room[1] // (down + gap), across, down, gap, sheet
        )
    columns, rows = (1, 1) if sheet.layout == "single" else (sheet.columns, sheet.rows)
    margin, gap = _px(sheet.margin), _px(sheet.gap)
    across = (width - 2 * margin - (columns - 1) * gap) // columns
    down = (height - 2 * margin - (rows - 1) * gap) // rows
    return _block(width, height, columns, rows, across, down, gap, sheet)


def _block(
    width: int, height: int, columns: int, rows: int, across: int, down: int, gap: int, sheet: Sheet
) -> list[Place]:
    """A grid of equal places in the middle of the page."""
    total = columns * across + (columns - 1) * gap, rows * down + (rows - 1) * gap
    if min(across, down) < _px(8) or total[0] > width or total[1] > height:
        raise UsageError(
            f"{columns} x {rows} pictures with margins of {sheet.margin:g} mm do not fit on {sheet.paper}",
            "use a smaller --margin or --gap, fewer --grid columns and rows, or larger --paper",
        )
    left, top = (width - total[0]) // 2, (height - total[1]) // 2
    return [
        Place(left + column * (across + gap), top + row * (down + gap), across, down)
        for row in range(rows)
        for column in range(columns)
    ]


def _pages(pictures: Sequence[Path], sheet: Sheet) -> Iterator[Image.Image]:
    spots = places(sheet)
    opened: dict[Path, Image.Image] = {}
    told: set[Path] = set()
    for start in range(0, len(pictures), len(spots)):
        page = Image.new("RGB", page_size(sheet), "white")
        for path, place in zip(pictures[start : start + len(spots)], spots, strict=False):
            if path not in opened:
                # Copies of a picture follow one another: one at a time is enough.
                opened = {path: open_picture(path)}
                if sheet.layout == "passport":
                    opened = {path: about_the_face(opened[path])}
            dpi = DPI / _lay(page, opened[path], place, sheet)
            if dpi < _COARSE and path not in told:
                told.add(path)
                width, height = opened[path].size
                warn(f"{path}: {width} x {height} px are {dpi:.0f} dpi here and will look coarse")
        yield page


def _lay(page: Image.Image, picture: Image.Image, place: Place, sheet: Sheet) -> float:
    """Lay a picture into its place; returns how much it is enlarged."""
    size = (place.width, place.height)
    if (
        sheet.layout == "single"
        and sheet.fit == "crop"
        and (picture.width > picture.height) != (size[0] > size[1])
        and picture.width != picture.height
    ):
        # A wide picture on upright paper is printed lying down, at its full size.
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    fitted = ImageOps.fit if sheet.fit == "crop" else ImageOps.contain
    laid = fitted(picture, size, Image.Resampling.LANCZOS)
    left = place.left + (place.width - laid.width) // 2
    top = place.top + (place.height - laid.height) // 2
    page.paste(laid, (left, top))
    if sheet.marks:
        _mark(page, Place(left, top, laid.width, laid.height))
    # What sticks out is cut off: the side that fits tells.
    return max(laid.width / picture.width, laid.height / picture.height)


def _mark(page: Image.Image, place: Place) -> None:
    """Two short lines at each corner, outside of the picture."""
    pen = ImageDraw.Draw(page)
    gap, long = _px(_MARK_GAP), _px(_MARK)
    for x, outward_x in ((place.left, -1), (place.left + place.width - 1, 1)):
        for y, outward_y in ((place.top, -1), (place.top + place.height - 1, 1)):
            pen.line([(x + outward_x * gap, y), (x + outward_x * long, y)], fill="black", width=2)
            pen.line([(x, y + outward_y * gap), (x, y + outward_y * long)], fill="black", width=2)


def _px(millimetres: float) -> int:
    return round(millimetres / 25.4 * DPI)

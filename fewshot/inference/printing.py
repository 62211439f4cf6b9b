"""Pictures on photo paper: a PDF at 300 dpi with margins and crop marks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from fewshot.data.pictures import open_picture
from fewshot.errors import ConflictError, UsageError
from fewshot.files import atomic_write
from fewshot.inference.detection import CascadeDetector
from fewshot.inference.print_layout import DPI, PASSPORT, Place, Sheet, page_size, places, px
from fewshot.output import warn

MOST_BYTES = 1_000_000_000
"""Of all pages of a file, which are in memory when it is written: 38 of A4, 178 of 10x15."""

_HEAD, _HEAD_SHARE, _ABOVE = 1.35, 0.75, 0.48
"""Height of a head in faces as detectors box them, its share of a passport picture, and the face's middle."""
_MARK, _MARK_GAP = 4.0, 1.0
"""How far a crop mark reaches from the picture at most, and where it begins, mm."""
_PEN = 2
"""Width of its line, px."""
_COARSE = 100
"""Pixels of the picture to the inch below which pixels are seen at arm's length."""
_QUALITY = 95


def print_pictures(
    pictures: Sequence[Path],
    out: Path,
    sheet: Sheet = Sheet(),  # noqa: B008 (frozen)
    *,
    overwrite: bool = False,
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
            # Coloured lines on paper bleed with halved colour resolution.
            subsampling=0,
            title=out.stem,
            producer="fewshot-style",
        ),
    )
    return count


def page_of(picture: Image.Image, sheet: Sheet) -> Image.Image:
    """One page with a picture in memory, in every place of it; raises UsageError as `places` does."""
    page = Image.new("RGB", page_size(sheet), "white")
    _mark(page, [_lay(page, picture, place, sheet)[0] for place in places(sheet)], sheet)
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


def _pages(pictures: Sequence[Path], sheet: Sheet) -> Iterator[Image.Image]:
    spots = places(sheet)
    opened: dict[Path, Image.Image] = {}
    told: set[Path] = set()
    for start in range(0, len(pictures), len(spots)):
        page, laid = Image.new("RGB", page_size(sheet), "white"), []
        for path, place in zip(pictures[start : start + len(spots)], spots, strict=False):
            if path not in opened:
                # Copies of a picture follow one another: one at a time is enough.
                opened = {path: open_picture(path)}
                if sheet.layout == "passport":
                    opened = {path: about_the_face(opened[path])}
            covered, scale = _lay(page, opened[path], place, sheet)
            laid.append(covered)
            dpi = DPI / scale
            if dpi < _COARSE and path not in told:
                told.add(path)
                width, height = opened[path].size
                warn(f"{path}: {width} x {height} px are {dpi:.0f} dpi here and will look coarse")
        _mark(page, laid, sheet)
        yield page


def _lay(page: Image.Image, picture: Image.Image, place: Place, sheet: Sheet) -> tuple[Place, float]:
    """Lay a picture into its place; returns what it covers and how much it is enlarged."""
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
    # What sticks out is cut off: the side that fits tells.
    scale = max(laid.width / picture.width, laid.height / picture.height)
    return Place(left, top, laid.width, laid.height), scale


def _mark(page: Image.Image, laid: Sequence[Place], sheet: Sheet) -> None:
    """Two short lines at each corner of every picture, over none of them: as far as the next, at most."""
    if not sheet.marks:
        return
    pen = ImageDraw.Draw(page)
    gap, long = px(_MARK_GAP), px(_MARK)
    for place in laid:
        right, bottom = place.left + place.width - 1, place.top + place.height - 1
        for x, outward_x in ((place.left, -1), (right, 1)):
            for y, outward_y in ((place.top, -1), (bottom, 1)):
                for across, down in ((outward_x, 0), (0, outward_y)):
                    free = min(long, _free(laid, x, y, across, down))
                    if free > gap:
                        start, end = ((x + across * d, y + down * d) for d in (gap, free))
                        pen.line([start, end], fill="black", width=_PEN)


def _free(laid: Sequence[Place], x: int, y: int, across: int, down: int) -> float:
    """Pixels from a picture's corner to the next picture in one direction, less the pen's width."""
    reach = math.inf
    for other in laid:
        beside, ahead = (y, x) if across else (x, y)
        low, side = (other.top, other.height) if across else (other.left, other.width)
        near, length = (other.left, other.width) if across else (other.top, other.height)
        if low - _PEN <= beside <= low + side - 1 + _PEN:
            distance = near - ahead if across + down > 0 else ahead - (near + length - 1)
            if distance > 0:
                reach = min(reach, distance - _PEN)
    return reach

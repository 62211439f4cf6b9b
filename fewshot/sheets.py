"""Contact sheets: rows of pictures with a caption column, as one PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

_MARK = "contact sheet by fewshot"
_GAP = 4
_CAPTION = 92
_LINE = 16
_SHRINK, _SMALLEST = 0.85, 16
"""Factor of the side for each try, and the side at which there is nothing left to look at, px."""


def contact_sheet(
    rows: Sequence[tuple[str, NDArray[np.uint8]]],
    cell: int = 128,
    background: int = 255,
    headers: Sequence[str] = (),
) -> Image.Image:
    """Lay rows of pictures under each other.

    Args:
        rows: `(caption, uint8 (N, 3, S, S))`; a row of more pictures than another makes the sheet wider.
        cell: side of each picture on the sheet, px.
        background: grey value between the pictures.
        headers: captions over the columns, of one or more lines.
    """
    columns = max(len(pictures) for _, pictures in rows)
    width = _CAPTION + columns * (cell + _GAP) + _GAP
    head = max((_LINE * (1 + header.count("\n")) for header in headers), default=0)
    height = head + len(rows) * (cell + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), (background,) * 3)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for column, header in enumerate(headers):
        left = _CAPTION + _GAP + column * (cell + _GAP)
        draw.multiline_text((left + 2, 2), header, fill=(40, 40, 40), font=font)
    for row, (caption, pictures) in enumerate(rows):
        top = head + _GAP + row * (cell + _GAP)
        draw.multiline_text((_GAP + 2, top + cell // 2 - 8), caption, fill=(40, 40, 40), font=font)
        for column, picture in enumerate(pictures):
            image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
            if image.width != cell:
                image = image.resize((cell, cell), Image.Resampling.LANCZOS)
            sheet.paste(image, (_CAPTION + _GAP + column * (cell + _GAP), top))
    return marked(sheet)


def marked(image: Image.Image) -> Image.Image:
    """The picture, which `is_sheet` knows again when `png_bytes` has written it."""
    image.info["Comment"] = _MARK
    return image


def is_sheet(path: Path) -> bool:
    """Whether a file is a contact sheet, or marked like one, which a new one may replace."""
    try:
        with Image.open(path) as image:
            return image.format == "PNG" and image.info.get("Comment") == _MARK
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def png_bytes(image: Image.Image, limit: int | None = None) -> bytes:
    """The picture as a PNG file, made smaller until it has at most `limit` bytes."""
    told = PngInfo()
    if "Comment" in image.info:
        told.add_text("Comment", image.info["Comment"])
    while True:
        buffer = io.BytesIO()
        # Not optimize=True, which takes five times as long for a twenty-fifth of the bytes.
        image.save(buffer, format="PNG", pnginfo=told)
        data = buffer.getvalue()
        if limit is None or len(data) <= limit or min(image.size) < _SMALLEST:
            return data
        shrunk = (max(1, round(image.width * _SHRINK)), max(1, round(image.height * _SHRINK)))
        image = image.resize(shrunk, Image.Resampling.LANCZOS)

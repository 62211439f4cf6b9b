"""Contact sheets: rows of pictures with a caption column, as one PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_GAP = 4
_CAPTION = 92


def contact_sheet(
    rows: Sequence[tuple[str, NDArray[np.uint8]]], cell: int = 128, background: int = 255
) -> Image.Image:
    """Lay rows of pictures under each other.

    Args:
        rows: `(caption, uint8 (N, 3, S, S))`; a row of more pictures than another makes the sheet wider.
        cell: side of each picture on the sheet, px.
        background: grey value between the pictures.
    """
    columns = max(len(pictures) for _, pictures in rows)
    width = _CAPTION + columns * (cell + _GAP) + _GAP
    height = len(rows) * (cell + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), (background,) * 3)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for row, (caption, pictures) in enumerate(rows):
        top = _GAP + row * (cell + _GAP)
        draw.multiline_text((_GAP + 2, top + cell // 2 - 8), caption, fill=(40, 40, 40), font=font)
        for column, picture in enumerate(pictures):
            image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
            if image.width != cell:
                image = image.resize((cell, cell), Image.Resampling.LANCZOS)
            sheet.paste(image, (_CAPTION + _GAP + column * (cell + _GAP), top))
    return sheet


def png_bytes(image: Image.Image) -> bytes:
    """The picture as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

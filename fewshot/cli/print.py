"""`fewshot print`: pictures on photo paper."""

import math
import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from fewshot.output import Format, emit


def print_(
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="Pictures to print.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="PDF to write.")],
    paper: Annotated[Literal["10x15", "a6", "a4"], typer.Option(help="Photo paper, cm or DIN.")] = "10x15",
    layout: Annotated[
        Literal["single", "grid", "passport"],
        typer.Option(help="One a page, a grid of all, or a page full of each at 35 x 45 mm."),
    ] = "single",
    grid: Annotated[
        str | None,
        typer.Option(metavar="COLUMNSxROWS", help="A grid of these; 2x3 if --layout grid says no more."),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(min=0, max=50, help="White border of the page, mm [5; passport: 3].")
    ] = None,
    gap: Annotated[
        float | None, typer.Option(min=0, max=50, help="Between pictures, mm [4; passport: 3].")
    ] = None,
    fit: Annotated[
        Literal["crop", "pad"], typer.Option(help="Fill the place and lose the rest, or show all of it.")
    ] = "crop",
    marks: Annotated[bool, typer.Option("--marks/--no-marks", help="Crop marks at the corners.")] = True,
    copies: Annotated[int, typer.Option(min=1, max=100, help="Of every picture.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    format: Annotated[Format, typer.Option(help="How to print what was written.")] = "table",
) -> None:
    """Lay pictures out on photo paper: a PDF at 300 dpi with margins and crop marks.

    Print it at 100 %, without fitting to the page.

    Exit code 3: a picture cannot be read. 4: there is none of that name. 5: the file exists.
    """
    from fewshot.errors import UsageError
    from fewshot.inference.print_layout import Sheet
    from fewshot.inference.printing import print_pictures

    if grid is not None and layout == "passport":
        raise UsageError(
            "--grid is for --layout grid; passport pictures have a size of their own", "leave one out"
        )
    layout = "grid" if grid is not None else layout
    match = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", grid or "2x3")
    if not match:
        raise UsageError(f"--grid {grid!r}: expected columns and rows", "write it as --grid 2x3")
    if not all(math.isfinite(length or 0) for length in (margin, gap)):
        raise UsageError("--margin and --gap: expected millimetres", "write them as --margin 5 --gap 4")
    sheet = Sheet(paper, layout, int(match[1]), int(match[2]), margin, gap, fit, marks, copies)
    pages = print_pictures(pictures, out, sheet, overwrite=overwrite)
    emit([{"path": out, "pages": pages}], ["path"] if format == "path" else ["path", "pages"], format)

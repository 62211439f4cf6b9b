"""Options that the verbs of `fewshot eval` share, and how their rows are printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fewshot.output import emit, notice

if TYPE_CHECKING:
    from fewshot.evaluation.folders import Looking
    from fewshot.evaluation.rows import Row

EXTRACTOR = "style"
"""What looks at pictures where no --extractor is given: the shipped encoder, which was in no loss."""

PicturesFormat = Annotated[Literal["table", "json"], typer.Option(help="How to print: table or json.")]
ExtractorOption = Annotated[
    str,
    typer.Option(help="style, random, colour-edge, perceptual, squeezenet, inception or timm:MODEL."),
]
WeightsOption = Annotated[Path | None, typer.Option(help="Weight file of the extractor, where it needs one.")]
Sha256Option = Annotated[
    str | None, typer.Option(metavar="HEX", help="Of the weight file, where another than the known is meant.")
]
DeviceOption = Annotated[str, typer.Option(help="Where the extractor runs: cpu or cuda.")]
SizeOption = Annotated[int, typer.Option(min=32, max=1024, help="Pictures become squares of this side, px.")]
AsIsOption = Annotated[
    bool, typer.Option("--as-is", help="Leave pictures at their own size, as published numbers do.")
]
IndicesOption = Annotated[
    str | None, typer.Option(help="Only photos whose name ends in these numbers: 3300-3399, or 1,5,7-9.")
]
CropOption = Annotated[
    Literal["auto", "center", "face"],
    typer.Option(help="Photos: a portrait's face as `stylize` frames it, the middle, or the largest face."),
]
DrawingsCropOption = Annotated[
    Literal["face", "center"] | None,
    typer.Option(help="Drawings: about the face, as `adapt` cuts them (for a style), or the middle."),
]
DetectorOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="YuNet's .onnx file; else cached or fetched.")
]
BaseOption = Annotated[str | None, typer.Option(help="Base model; the style's own if left out.")]
TwoSources = Annotated[
    list[Path], typer.Argument(metavar="A B", help="Two folders, .tar archives, or patterns in quotes.")
]


def two(sources: Sequence[Path], verb: str) -> tuple[Path, Path]:
    """The two sources; a pattern that the shell has expanded gets a hint.

    Raises:
        UsageError: another number of them.
    """
    from fewshot.errors import UsageError

    if len(sources) != 2:
        files = sum(source.is_file() and source.suffix != ".tar" for source in sources)
        hint = f"put patterns in quotes: fewshot eval {verb} 'results/*.png' ./drawings"
        if not files:
            hint = f"fewshot eval {verb} ./results ./drawings"
        found = f"{len(sources)} argument{'s' if len(sources) > 1 else ''}"
        raise UsageError(f"{found}; expected two sources of pictures", hint)
    return sources[0], sources[1]


def looking(
    extractor: str,
    weights: Path | None,
    sha256: str | None,
    device: str,
    size: int | None,
    as_is: bool = False,
) -> Looking:
    """The options as the evaluation takes them."""
    from fewshot.evaluation.folders import Looking

    return Looking(extractor, None if as_is else size, weights, sha256, device)


def print_rows(rows: Sequence[Row], format: Literal["table", "json"]) -> None:
    """Rows on stdout, and what a reader must know of them on stderr."""
    from fewshot.evaluation.rows import COLUMNS

    if format == "json":
        records = [row.to_dict() for row in rows]
        emit(records, list(dict.fromkeys(key for record in records for key in record)), "json")
    else:
        emit([row.line() for row in rows], COLUMNS)
    print_remarks(rows)


def print_remarks(rows: Sequence[Row]) -> None:
    """What a reader of rows must know, on stderr."""
    from fewshot.evaluation.rows import remarks

    for remark in remarks(rows):
        notice(remark)

"""`fewshot eval compare`: folders, styles and bases, each against each."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fewshot.cli.eval_options import (
    EXTRACTOR,
    BaseOption,
    CropOption,
    DeviceOption,
    ExtractorOption,
    IndicesOption,
    PicturesFormat,
    Sha256Option,
    WeightsOption,
    looking,
    print_remarks,
    print_rows,
)
from fewshot.output import emit


def compare(
    things: Annotated[
        list[str],
        typer.Argument(
            metavar="THING...",
            help="Folders, archives, quoted patterns, STYLE[:WEIGHT] or bases; two or more.",
        ),
    ],
    photos: Annotated[
        Path | None, typer.Option(help="Photos for styles and bases to redraw: folder or .tar archive.")
    ] = None,
    indices: IndicesOption = None,
    measure: Annotated[
        Literal["kid", "fid", "style"],
        typer.Option(help="Distances, or style: whose hand the pictures of each look like."),
    ] = "kid",
    base: BaseOption = None,
    extractor: ExtractorOption = EXTRACTOR,
    weights: WeightsOption = None,
    sha256: Sha256Option = None,
    device: DeviceOption = "cpu",
    size: Annotated[
        int | None,
        typer.Option(min=32, max=1024, help="Side of the squares, px; the smallest base's, or 256."),
    ] = None,
    crop: CropOption = "auto",
    format: PicturesFormat = "table",
) -> None:
    """Compare folders, styles and base models with each other, as a matrix with intervals.

    Exit code 2: fewer than two things, or --photos missing. 3: pictures that
    cannot be used. 4: no such folder, style or base. 6: a damaged style, or one
    without consent.
    """
    from fewshot.evaluation.matrix import Photos, compare_all

    how = looking(extractor, weights, sha256, device, size)
    found = compare_all(things, Photos(photos, indices, crop), how, measure, base)
    if format == "json":
        print_rows(found.rows(), format)
        return
    emit(*found.table())
    if not found.fits():
        emit(*found.pairs())
    print_remarks(found.rows())

"""`fewshot eval report`: one page with the verdict, the numbers, the pictures and the plots."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.eval_options import (
    CropOption,
    DetectorOption,
    DeviceOption,
    DrawingsCropOption,
    IndicesOption,
    Sha256Option,
    WeightsOption,
)
from fewshot.output import Format, emit, notice


def report(
    thing: Annotated[
        str,
        typer.Argument(
            metavar="THING", help="STYLE[:WEIGHT], a base, or a folder, archive or quoted pattern."
        ),
    ],
    drawings: Annotated[Path, typer.Option(help="The artist's drawings, ones that were not trained on.")],
    photos: Annotated[
        Path | None, typer.Option(help="Photos to redraw; of a folder: its photos, under the same names.")
    ] = None,
    indices: IndicesOption = None,
    others: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Drawings by another artist; repeat it. Default: the shipped hands."
        ),
    ] = None,
    trained_on: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Drawings trained on, to look for copies of them.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Base model; the style's own. Of a folder: for the way back.")
    ] = None,
    extractor: Annotated[
        list[str] | None, typer.Option(help="Features to judge by; repeat it. random and colour-edge.")
    ] = None,
    weights: WeightsOption = None,
    sha256: Sha256Option = None,
    device: DeviceOption = "cpu",
    size: Annotated[
        int | None, typer.Option(min=32, max=1024, help="Side of the squares, px; the base's, or 256.")
    ] = None,
    crop: CropOption = "auto",
    drawings_crop: DrawingsCropOption = None,
    detector: DetectorOption = None,
    shown: Annotated[int, typer.Option(min=1, max=50, help="Results to show as pictures.")] = 6,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("report.html"),
    format: Annotated[
        Format, typer.Option(help="How to print: table, json, or path (of the page).")
    ] = "table",
) -> None:
    """Measure a style, a base or a folder of results and write all of it as one HTML page.

    The page needs no network and no other file. A report at -o is replaced.

    Exit code 2: a style without --photos. 3: pictures that cannot be used.
    4: no such style, folder or extractor. 5: another file is at -o.
    6: a damaged style, or one without consent.
    """
    from fewshot.evaluation.comparison import JUDGES
    from fewshot.evaluation.report import write_report
    from fewshot.evaluation.report_sides import Request

    request = Request(
        thing,
        drawings,
        photos,
        indices=indices,
        crop=crop,
        drawings_crop=drawings_crop,
        others=tuple(others or ()),
        training=trained_on,
        base=base,
        extractors=tuple(extractor or JUDGES),
        weights=weights,
        sha256=sha256,
        device=device,
        size=size,
        detector=detector,
        shown=shown,
    )
    written = write_report(request, out)
    if format == "json":
        emit([written.report.record], list(written.report.record), "json")
    elif format == "path":
        emit([{"path": written.path}], ["path"], "path")
    else:
        emit([{"verdict": sentence} for sentence in written.report.verdict], ["verdict"])
    for caution in written.report.cautions:
        notice(caution)
    notice(f"report in {written.path}")

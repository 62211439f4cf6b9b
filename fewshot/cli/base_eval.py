"""`fewshot base eval`: the numbers of a base on any photos and drawings."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fewshot.output import emit, notice


def evaluate(
    base: Annotated[str, typer.Argument(metavar="BASE", help="Name or file; `fewshot base ls` lists them.")],
    photos: Annotated[Path, typer.Option(help="Photos to redraw: a folder or a .tar archive.")],
    drawings: Annotated[Path, typer.Option(help="Drawings to compare with: a folder or a .tar archive.")],
    indices: Annotated[
        str | None, typer.Option(help="Only photos whose name ends in these numbers: 3300-3399, or 1,5,7-9.")
    ] = None,
    drawing_indices: Annotated[str | None, typer.Option(help="Only these drawings, likewise.")] = None,
    n: Annotated[
        int | None, typer.Option("--n", min=2, help="At most this many of each, drawn with --seed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Choice, bootstrap, shuffling, hard cases.")] = 0,
    extractor: Annotated[
        str, typer.Option(help="random, colour-edge, perceptual, squeezenet, inception or timm:MODEL.")
    ] = "random",
    weights: Annotated[
        Path | None, typer.Option(help="Weight file of the extractor, where it needs one.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="Of the weight file, where another is meant.")
    ] = None,
    detector: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YuNet's .onnx file; else cached or fetched.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=32, max=1024, help="Compare at this side, px, such as bases of different sizes."),
    ] = None,
    hard: Annotated[
        bool, typer.Option("--hard", help="Add listed hard photos and difficulties made by code.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    format: Annotated[Literal["table", "json"], typer.Option(help="How to print: table or json.")] = "table",
) -> None:
    """Measure a base: KID, FID, content, hair and skin colour, eyes and mouth, the way back, size and cost.

    All pictures count, held-out ones too: it is for the final measurement. Choose an extractor that was in no
    loss of the base; the default is one. Exit code 3: pictures that cannot be used. 4: no such base or
    folder.
    """
    from fewshot.evaluation.base_record import CASE_COLUMNS, COLUMNS
    from fewshot.evaluation.base_report import Settings, measure_base

    settings = Settings(
        photos,
        drawings,
        indices=indices,
        drawing_indices=drawing_indices,
        n=n,
        seed=seed,
        extractor=extractor,
        weights=weights,
        sha256=sha256,
        size=size,
        detector=detector,
        hard=hard,
        device=device,
    )
    report = measure_base(base, settings)
    if format == "json":
        record = report.to_dict()
        emit([record], list(record), "json")
        return
    emit(report.rows(), COLUMNS)
    if hard:
        emit(report.case_rows(), CASE_COLUMNS)
    for remark in report.remarks():
        notice(remark)

"""`fewshot eval adapter`: how near is a style to its artist, before and after, with intervals."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.eval_options import BaseOption, CropOption, DrawingsCropOption, IndicesOption
from fewshot.output import Format, emit, notice


def adapter(
    style: Annotated[str, typer.Argument(metavar="STYLE[:WEIGHT]", help="An adapter folder or a run.")],
    drawings: Annotated[Path, typer.Option(help="The artist's drawings, ones that were not trained on.")],
    photos: Annotated[Path, typer.Option(help="Photos to redraw: a folder or a .tar archive.")],
    indices: IndicesOption = None,
    others: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Drawings by another artist; repeat it. Default: the shipped hands."
        ),
    ] = None,
    base: BaseOption = None,
    extractor: Annotated[
        list[str] | None, typer.Option(help="Features to judge by; repeat it. random and colour-edge.")
    ] = None,
    crop: CropOption = "auto",
    drawings_crop: DrawingsCropOption = None,
    trained_on: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Drawings trained on, to look for copies of them.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Numbers as JSON; metrics-heldout.json in the run, or here if catalogued."
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Contact sheet (PNG) of the first photos, never chosen ones.")
    ] = None,
    columns: Annotated[int, typer.Option(min=1, max=32, help="Pictures per row of the sheet.")] = 8,
    format: Annotated[
        Format, typer.Option(help="How to print: table, json, or path (of the files written).")
    ] = "table",
) -> None:
    """Redraw the same photos with the base and with a style, and compare both with the artist's drawings.

    Under five photos or drawings there is no KID, only style rank and content.

    Numbers and a sheet of an earlier call are replaced, other files never.

    Exit code 3: pictures that cannot be used. 4: no such style or folder.
    5: another file is in the way. 6: a damaged style, or one without consent.
    """
    from fewshot.evaluation.comparison import JUDGES
    from fewshot.evaluation.held_out import check_outputs, measure_style
    from fewshot.evaluation.record import COLUMNS

    target = out or _default_out(style)
    check_outputs(target, sheet)
    measured = measure_style(
        style,
        drawings,
        photos,
        indices=indices,
        others=others or (),
        base=base,
        extractors=extractor or JUDGES,
        crop=crop,
        drawings_crop=drawings_crop or "face",
        training=trained_on,
    )
    if format == "table":
        emit(measured.comparison.rows(), COLUMNS)
    measured.write_metrics(target)
    if sheet is not None:
        measured.write_sheet(sheet, columns)
    for remark in measured.comparison.remarks():
        notice(remark)
    notice(f"numbers in {target}" + (f", sheet {sheet}" if sheet else ""))
    if format == "json":
        record = measured.to_dict()
        emit([record], list(record), "json")
    elif format == "path":
        emit([{"path": path} for path in (target, sheet) if path], ["path"], "path")


def _default_out(style: str) -> Path:
    """In the style's run; of a catalogued style, which is read from a cache, here."""
    from fewshot.styles import parse_style, resolve_style

    name, _ = parse_style(style)
    adapter, catalogued = resolve_style(name)
    if catalogued is not None:
        return Path(f"{name}-metrics-heldout.json")
    if adapter.name == "adapter":
        return adapter.parent / "metrics-heldout.json"
    return adapter.parent / f"{adapter.name}-metrics-heldout.json"

"""`fewshot eval`: how near is a style to its artist, before and after, with intervals."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fewshot.output import Format, emit, notice

app = typer.Typer(no_args_is_help=True, help="Measure styles and folders of pictures, with intervals.")

FormatOption = Annotated[
    Format, typer.Option(help="How to print: table, json, or path (of the file written).")
]
FolderFormat = Annotated[Literal["table", "json"], typer.Option(help="How to print: table or json.")]
Judge = Annotated[
    str, typer.Option(help="random, colour-edge, perceptual, squeezenet, inception or timm:<model>.")
]
Weights = Annotated[Path | None, typer.Option(help="Weight file of the extractor, where it needs one.")]
Size = Annotated[int, typer.Option(min=32, max=1024, help="Pictures become squares of this side, px.")]
Folder = Annotated[Path, typer.Argument(help="Folder or .tar archive of pictures.")]


@app.command("compare")
def compare(
    style: Annotated[str, typer.Argument(metavar="STYLE[:WEIGHT]", help="An adapter folder or a run.")],
    drawings: Annotated[Path, typer.Option(help="The artist's drawings, ones that were not trained on.")],
    photos: Annotated[Path, typer.Option(help="Photos to redraw: a folder or a .tar archive.")],
    indices: Annotated[
        str | None, typer.Option(help="Only photos whose name ends in these numbers: 3300-3399, or 1,5,7-9.")
    ] = None,
    others: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Drawings by another artist; repeat it. Default: the shipped hands."
        ),
    ] = None,
    base: Annotated[str | None, typer.Option(help="Base model; the style's own if left out.")] = None,
    extractor: Annotated[
        list[str] | None, typer.Option(help="Features to judge by; repeat it. random and colour-edge.")
    ] = None,
    crop: Annotated[
        Literal["center", "face"], typer.Option(help="Square in the middle, or around the largest face.")
    ] = "center",
    trained_on: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Drawings trained on, to look for copies of them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Numbers as JSON; metrics-heldout.json in the run.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Contact sheet (PNG) of the first photos, never chosen ones.")
    ] = None,
    columns: Annotated[int, typer.Option(min=1, max=32, help="Pictures per row of the sheet.")] = 8,
    format: FormatOption = "table",
) -> None:
    """Redraw the same photos with the base and with a style, and compare both with the artist's drawings.

    Under five photos or drawings there is no KID, only the style rank and the content. Exit code 3: pictures
    that cannot be used. 4: no such style or folder. 6: a damaged style, or one without consent.
    """
    from fewshot.evaluation.comparison import JUDGES
    from fewshot.evaluation.held_out import measure_style
    from fewshot.evaluation.record import COLUMNS

    measured = measure_style(
        style,
        drawings,
        photos,
        indices=indices,
        others=others or (),
        base=base,
        extractors=extractor or JUDGES,
        crop=crop,
        training=trained_on,
    )
    target = out or _default_out(measured.style.folder)
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


def _default_out(adapter: Path) -> Path:
    if adapter.name == "adapter":
        return adapter.parent / "metrics-heldout.json"
    return adapter.parent / f"{adapter.name}-metrics-heldout.json"


@app.command("kid")
def kid(
    a: Folder,
    b: Folder,
    extractor: Judge = "random",
    weights: Weights = None,
    size: Size = 256,
    format: FolderFormat = "table",
) -> None:
    """Kernel distance of two folders of pictures, with its interval; unbiased at any number."""
    from fewshot.evaluation.folders import kid_rows

    _emit(kid_rows(a, b, extractor, size, weights), format)


@app.command("fid")
def fid(
    a: Folder,
    b: Folder,
    extractor: Judge = "random",
    weights: Weights = None,
    size: Size = 256,
    format: FolderFormat = "table",
) -> None:
    """Frechet distance of two folders of pictures; biased under 2,048 pictures, and says so."""
    from fewshot.evaluation.folders import fid_rows

    _emit(fid_rows(a, b, extractor, size, weights), format)


@app.command("style")
def style(
    a: Folder,
    among: Annotated[list[Path], typer.Option(metavar="DIR", help="One artist's drawings; repeat it.")],
    extractor: Judge = "random",
    weights: Weights = None,
    size: Size = 256,
    format: FolderFormat = "table",
) -> None:
    """Which of several artists a folder of pictures looks like."""
    from fewshot.evaluation.folders import style_rows

    _emit(style_rows(a, among, extractor, size, weights), format)


@app.command("content")
def content(
    photos: Folder,
    results: Folder,
    drawings: Annotated[
        Path | None, typer.Option(help="Drawings trained on, to look for copies of them.")
    ] = None,
    size: Size = 256,
    format: FolderFormat = "table",
) -> None:
    """Whether each result still shows its own photo; photo and result have the same file name."""
    from fewshot.evaluation.folders import content_rows

    _emit(content_rows(photos, results, size, drawings), format)


def _emit(rows: list[dict[str, Any]], format: Format) -> None:
    from fewshot.evaluation.folders import ALL_COLUMNS, COLUMNS

    emit(rows, ALL_COLUMNS if format == "json" else COLUMNS, format)
    row = rows[0]
    made = f", sha256 {row['sha256'][:12]}" if row["sha256"] else ""
    notice(f"{row['extractor']}: {row['resize']}{made}; low and high are the 95 % interval")
    for note in dict.fromkeys(row["notes"] for row in rows if row["notes"]):
        notice(note)

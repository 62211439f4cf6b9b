"""`fewshot demo`: the whole path on shipped drawings, in a few minutes without a GPU."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.output import Format, emit, format_seconds, notice


def demo(
    photo: Annotated[
        list[Path] | None, typer.Option(help="A photo of yours to draw beside the astronaut; repeat it.")
    ] = None,
    hand: Annotated[
        str, typer.Option(help="The shipped hand to adapt to: ink, flat, pastel or riso.")
    ] = "ink",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the sheet and the numbers.")] = Path(
        "demo"
    ),
    base: Annotated[str, typer.Option(help="Base model to adapt.")] = "scan_128.anime",
    steps: Annotated[int | None, typer.Option(help="Steps at most; the recipe's if left out.")] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes of training at most.")] = 3.5,
    format: Annotated[
        Format, typer.Option(help="How to print: table, json, or path (of the files written).")
    ] = "table",
) -> None:
    """Adapt to a shipped set of drawings, redraw photos, measure, and write one contact sheet.

    Under five minutes on two CPU cores. The style stays, named demo-HAND. Exit code 3: a photo that cannot
    be read. 4: no such hand, photo or base.
    """
    from fewshot.demo import run_demo
    from fewshot.evaluation.record import COLUMNS

    done = run_demo(out, photo or (), hand=hand, base=base, steps=steps, minutes=minutes)
    if format == "table":
        emit(done.comparison.rows(), COLUMNS)
    elif format == "json":
        record = done.comparison.to_dict()
        emit([record], list(record), "json")
    else:
        emit([{"path": file} for file in done.files], ["path"], "path")
    for remark in done.comparison.remarks():
        notice(remark)
    notice(f"{done.steps} steps, {format_seconds(done.seconds)} in all")
    notice(f"look at: {done.sheet}")
    notice(f"now yours: fewshot stylize me.jpg --style {done.style} -o me.png")

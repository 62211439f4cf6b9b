"""`fewshot export` and `fewshot base export`: one ONNX file that needs nothing of ours."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fewshot.output import Format, emit, notice

Out = Annotated[Path, typer.Option("--out", "-o", help="File to write, ending in .onnx; a card goes beside.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist already.")]
Kind = Annotated[Literal["onnx"], typer.Option("--format", help="What to write.")]
Print = Annotated[Format, typer.Option("--print", help="How to print what was written: table, json or path.")]


def export(
    styles: Annotated[
        list[str],
        typer.Argument(metavar="STYLE[:WEIGHT]...", help="As for `stylize --style`; several blend."),
    ],
    out: Out,
    base: Annotated[str | None, typer.Option(help="Base model; the styles' own when left out.")] = None,
    format: Kind = "onnx",
    overwrite: Overwrite = False,
    print_as: Print = "table",
) -> None:
    """Write a style, or a blend, merged into its base: one file for ONNX Runtime, and its card.

    Exit code 4: no such style. 5: the file exists. 6: a damaged style, or one without consent.
    """
    _write(styles, base, out, overwrite, print_as)


def export_base(
    name: Annotated[str, typer.Argument(metavar="BASE", help="Name or file of a base model.")],
    out: Out,
    format: Kind = "onnx",
    overwrite: Overwrite = False,
    print_as: Print = "table",
) -> None:
    """Write a base model as one file for ONNX Runtime, and its card."""
    _write([], name, out, overwrite, print_as)


def _write(styles: list[str], base: str | None, out: Path, overwrite: bool, print_as: Format) -> None:
    from fewshot.inference.engine import load_blend
    from fewshot.inference.export import export_onnx

    arrays, adapters = load_blend(styles, base)
    card = export_onnx(arrays, adapters, out, overwrite=overwrite)
    rows = [{"path": path, "MB": round(path.stat().st_size / 1e6, 2)} for path in (out, card)]
    emit(rows, ["path"] if print_as == "path" else ["path", "MB"], print_as)
    if print_as == "table":
        notice(f"the card shows how to use it: {card}")

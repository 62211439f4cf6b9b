"""`fewshot stylize`: redraw photos in one style or a blend of several."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fewshot.output import Format, emit, notice, progress, warn

if TYPE_CHECKING:
    from fewshot.inference.outputs import Failure
    from fewshot.inference.stylize import Summary

_COLUMNS = {
    "table": ["photo", "drawing", "size", "face"],
    "json": ["photo", "path", "width", "height", "face", "error", "hint"],
    "path": ["path"],
}


def stylize(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Photos, folders of photos, or a video; - reads a photo from stdin; a camera with --live.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="A file for one photo (.png, .webp, .jpg), else a folder; - writes to stdout."
        ),
    ],
    style: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STYLE[:WEIGHT]",
            help="An adapter folder, a catalogued NAME[@ALIAS] or a run; repeat it to blend. Weight 0..2.",
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Base model, its name or file; the styles' own when left out.")
    ] = None,
    crop: Annotated[
        Literal["auto", "whole", "face", "center", "none"],
        typer.Option(
            help="whole: all of it, faces drawn large and put back; face, center: a square; none: all of it "
            "at once; auto: face for portraits, whole for others. Whole and face draw tilted heads level."
        ),
    ] = "auto",
    whole: Annotated[bool, typer.Option("--whole", help="The same as --crop whole.")] = False,
    background: Annotated[
        Literal["stylize", "keep", "plain"] | None,
        typer.Option(help="The rest: drawn too (pictures), as it is (videos), or white paper."),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YuNet's .onnx file; else the cached one, else OpenCV's cascades."),
    ] = None,
    light: Annotated[
        Literal["auto", "keep"],
        typer.Option(help="Faces too dark, too bright or in coloured light: mended before drawing, or not."),
    ] = "auto",
    size: Annotated[
        int | None,
        typer.Option(min=32, max=4096, help="Shorter side of the drawings in px; the model's if left out."),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="One sheet a photo: a style at all strengths, or two blended.")
    ] = False,
    engine: Annotated[
        Literal["onnx", "torch"], typer.Option(help="What computes: ONNX Runtime, or torch.")
    ] = "onnx",
    device: Annotated[
        Literal["auto", "cpu", "cuda", "coreml", "directml"],
        typer.Option(help="Where: the best that the engine finds, or this one."),
    ] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace drawings that exist already.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a folder: what is drawn in it already is left out.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="INPUT is a camera (0 is the first): draw it until Ctrl-C.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="With --live: how long, instead of until Ctrl-C.")
    ] = None,
    format: Annotated[
        Format, typer.Option(help="How to print what was written: table, json or path.")
    ] = "table",
) -> None:
    """Redraw photos in a learned style, or in a blend of several.

    Without --style, the base given by --base draws in its own way. --sweep writes a contact sheet for each
    photo instead: the strengths 0 to 1.5 of one style, or the grid of two styles' blends.

    A camera is recorded with `fewshot stylize 0 --live -o me.mp4`; `fewshot stylize 0 --live -o - | ffplay -`
    shows it.

    Exit code 3: a photo could not be read; the others are drawn. 4: no such style. 5: the output exists. 6: a
    damaged style, one of another base, or without consent.
    """
    from fewshot.errors import UsageError
    from fewshot.inference.video_files import is_video

    # A camera's address is no path: two slashes would become one.
    inputs = [Path(source) for source in sources]
    if seconds is not None and not live:
        raise UsageError("--seconds is for cameras", "add --live, or leave it out")
    if live or any(is_video(path, out) for path in inputs):
        if sweep or resume or whole or size is not None or crop != "auto":
            raise UsageError(
                "a video takes no --sweep, --resume, --whole, --crop or --size", "leave them out for a video"
            )
        if len(inputs) > 1:
            raise UsageError(
                "a video is drawn alone, not with other files", "run the command once for each video"
            )
        from fewshot.cli.stylize_video import draw_video, open_drawer

        drawer = open_drawer(style or [], base, background, detector, engine, device, mend=light == "auto")
        draw_video(sources[0], out, drawer, live=live, seconds=seconds, overwrite=overwrite, format=format)
        return
    if whole and crop not in ("auto", "whole"):
        raise UsageError(f"--whole and --crop {crop} do not go together", "leave one out")
    crop = "whole" if whole else crop
    if background is not None:
        if sweep or crop not in ("auto", "whole"):
            other = "--sweep" if sweep else f"--crop {crop}"
            raise UsageError(
                f"--background is for whole pictures and videos, not for {other}", "leave one out"
            )
        crop = "whole"
    from fewshot.inference.outputs import STREAM, plan_outputs

    plan = plan_outputs(
        inputs,
        out,
        overwrite=overwrite,
        resume=resume,
        ending=".png" if sweep else None,
        stdin=sys.stdin.buffer if STREAM in inputs else None,
    )
    if not plan.jobs and len(plan.failures) == 1:
        raise plan.failures[0].error
    from fewshot.inference.detection import CascadeDetector, open_detector
    from fewshot.inference.engine import load_blend, open_engine
    from fewshot.inference.preparing import Framing
    from fewshot.inference.stylize import run_plan
    from fewshot.inference.sweep import run_sweep

    framing = Framing(crop, background or "stylize", open_detector(detector), light == "auto")
    model, styles = load_blend(style or [], base)
    with progress("drawing", len(plan.jobs)) as bar:
        if sweep:
            summary = run_sweep(
                plan,
                model,
                styles,
                framing=framing,
                size=size,
                on_done=bar.update,
                kind=engine,
                device=device,
            )
        else:
            drawing = open_engine(model, styles, engine, device=device)
            summary = run_plan(plan, drawing, framing=framing, size=size, on_done=bar.update)
    if plan.done:
        notice(f"{len(plan.done)} were drawn already, in whatever style, and left out")
    if plan.done and not plan.jobs and not plan.failures:
        notice("nothing is left to draw; --overwrite draws all again")
        return
    if out != STREAM:
        _print(summary, format, yunet=not isinstance(framing.detector, CascadeDetector))
    if len(inputs) == len(summary.failures) == 1 and not summary.drawn:
        raise summary.failures[0].error
    for failure in summary.failures:
        warn(str(failure.error))
        if failure.error.hint:
            notice(f"hint: {failure.error.hint}")
    names = (
        " + ".join(adapter.name + f":{weight:g}" * (weight != 1) for adapter, weight in styles) or model.name
    )
    if sweep:
        names = f"every weight of {' and '.join(adapter.name for adapter, _ in styles)}"
    notice(f"{len(summary.drawn)} of {len(summary.drawn) + len(summary.failures)} drawn with {names}")
    if summary.failures:
        raise typer.Exit(3)


def _print(summary: "Summary", format: Format, *, yunet: bool) -> None:
    rows: list[dict[str, object]] = [
        {
            "photo": drawn.source,
            "path": drawn.target,
            "drawing": drawn.target,
            "width": drawn.size[0],
            "height": drawn.size[1],
            "size": f"{drawn.size[0]}x{drawn.size[1]}",
            "face": drawn.found_face,
        }
        for drawn in summary.drawn
    ]
    missed = [drawn for drawn in summary.drawn if drawn.found_face is False and not drawn.whole]
    for drawn in missed:
        notice(f"{drawn.source}: no face found, the middle was drawn; --whole draws all of it")
    if missed and not yunet:
        notice("hint: YuNet finds more faces than OpenCV's cascades do; --detector takes its .onnx file")
    if format == "json":
        rows += [_failed(failure) for failure in summary.failures]
    if rows or format == "json":
        emit(rows, _COLUMNS[format], format)


def _failed(failure: "Failure") -> dict[str, object]:
    return {"photo": failure.source, "error": str(failure.error), "hint": failure.error.hint}

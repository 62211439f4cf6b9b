"""`fewshot stylize` on videos and cameras."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from fewshot.output import Format, emit, notice, progress, warn

if TYPE_CHECKING:
    from fewshot.inference.video import FrameDrawer


def open_drawer(
    style: list[str],
    base: str | None,
    background: Literal["stylize", "keep", "plain"] | None,
    detector: Path | None,
    kind: Literal["onnx", "torch"],
    device: str,
    *,
    mend: bool,
) -> "FrameDrawer":
    """What draws; the rest of a video's frames stays as it is unless something else is asked for."""
    from fewshot.inference.detection import open_detector
    from fewshot.inference.engine import load_blend, open_engine
    from fewshot.inference.video import FrameDrawer

    model, styles = load_blend(style, base)
    drawing = open_engine(model, styles, kind, device=device)
    return FrameDrawer(drawing, open_detector(detector), background or "keep", mend_light=mend)


def draw_video(
    source: str,
    out: Path,
    drawer: "FrameDrawer",
    *,
    live: bool,
    seconds: float | None,
    overwrite: bool,
    format: Format,
) -> None:
    """Draw a video or what a camera sees, and say what came of it."""
    from fewshot.inference.camera import stylize_camera
    from fewshot.inference.outputs import STREAM
    from fewshot.inference.video import INTERRUPTED, stylize_video

    with progress("drawing", 0) as bar:

        def count(done: int, total: int) -> None:
            bar.total = max(done, total)
            bar.update(done)

        if live:
            result = stylize_camera(source, out, drawer, seconds=seconds, overwrite=overwrite, on_frame=count)
        else:
            result = stylize_video(Path(source), out, drawer, overwrite=overwrite, on_frame=count)
    if out == STREAM:
        notice(f"{result.frames} frames drawn, {result.faces} with a face")
        return
    row = {"path": out, "frames": result.frames, "with a face": result.faces}
    emit([row], ["path"] if format == "path" else list(row), format)
    if not result.faces and drawer.background != "stylize" and not live:
        warn(f"{source}: no face was found in {result.frames} frames, and nothing else is drawn of them")
        notice("hint: add --background stylize; with YuNet more faces are found: --detector FILE")
        raise typer.Exit(3)
    if live and result.problem not in ("", INTERRUPTED):
        notice(f"camera {source}: {result.problem}")
    elif result.problem and not live:
        warn(f"{source}: {result.problem}; what was drawn until there is in {out}")
        raise typer.Exit(3)

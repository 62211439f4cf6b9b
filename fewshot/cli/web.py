"""`fewshot web`: the booth."""

from pathlib import Path
from typing import Annotated

import typer


def web(
    host: Annotated[
        str,
        typer.Option(help="0.0.0.0 can be reached from the network, 127.0.0.1 from here alone."),
    ] = "0.0.0.0",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    tls_self_signed: Annotated[
        bool,
        typer.Option(
            "--tls-self-signed", help="https with a certificate of its own, so that phones give the camera."
        ),
    ] = False,
    pin: Annotated[str | None, typer.Option(metavar="1234", help="Visitors have to type it.")] = None,
    styles: Annotated[
        str | None,
        typer.Option(metavar="NAME[@ALIAS],…", help="Only these; all that may be used if left out."),
    ] = None,
    base: Annotated[str, typer.Option(help="What draws where no style is chosen.")] = "scan_128.anime",
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep pictures of visitors who tick the box; else nothing is kept."),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YuNet's .onnx file; else the cached one, else OpenCV's cascades."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, coreml or directml.")] = "auto",
) -> None:
    """Open the booth: a page that takes photos and gives them back in any of your styles.

    Prints its address, and a code that phones on the same network can read. Photos are kept in memory and are
    gone after the answer. Ctrl-C closes the booth.

    Exit code 2: the port is taken. 4: no such style or base. 6: a style without consent.
    """
    from fewshot.errors import UsageError

    if pin is not None and not (4 <= len(pin) <= 64):
        raise UsageError(f"--pin has {len(pin)} characters; expected 4 to 64", "choose a longer one")
    wanted = tuple(dict.fromkeys(name.strip() for name in (styles or "").split(",") if name.strip()))
    if styles is not None and not wanted:
        raise UsageError("--styles names none", "name some, such as --styles ink,wash, or leave it out")
    try:
        from fewshot.web.serve import run
        from fewshot.web.settings import Settings
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the booth needs {error.name}, which is not installed",
            "install it: pip install 'fewshot-style[web]'",
        ) from None
    settings = Settings(
        styles=wanted,
        base=base,
        pin=pin or "",
        keep=keep,
        detector=detector,
        device=device,
        secure=tls_self_signed,
    )
    run(settings, host, port)

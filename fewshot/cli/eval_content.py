"""`fewshot eval content`: does each result still show its own photo, and is it more than a copy?"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fewshot.cli.eval_options import (
    CropOption,
    DetectorOption,
    PicturesFormat,
    SizeOption,
    print_rows,
)


def content(
    photos: Annotated[Path, typer.Argument(help="Folder, .tar archive, or pattern in quotes.")],
    results: Annotated[Path, typer.Argument(help="Their results; photo and result share a file name.")],
    drawings: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Drawings trained on, to look for copies of them.")
    ] = None,
    heldout: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Other drawings by the same hand: are results nearer to those?"),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Base model whose way back turns results into photos again.")
    ] = None,
    crop: CropOption = "auto",
    drawings_crop: Annotated[
        Literal["face", "center"] | None,
        typer.Option(help="Drawings: about the face, as `adapt` cuts them, or the middle. The nearer."),
    ] = None,
    detector: DetectorOption = None,
    size: SizeOption = 256,
    format: PicturesFormat = "table",
) -> None:
    """Whether each result still shows its own photo, by edges, layout and colours of hair and skin.

    Exit code 2: --heldout without --drawings. 3: pictures that cannot be used,
    or fewer than two pairs. 4: no such folder, base or detector.
    """
    from fewshot.evaluation.same_person import Further, content_rows

    further = Further(crop, drawings, drawings_crop, heldout, base, detector)
    print_rows(content_rows(photos, results, size, further), format)

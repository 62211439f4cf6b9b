"""`fewshot eval style`: whose hand do pictures look like?"""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.eval_options import (
    EXTRACTOR,
    AsIsOption,
    DeviceOption,
    ExtractorOption,
    PicturesFormat,
    Sha256Option,
    SizeOption,
    WeightsOption,
    looking,
    print_rows,
)


def style(
    pictures: Annotated[Path, typer.Argument(help="Folder, .tar archive, or pattern in quotes.")],
    among: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="One artist's drawings; repeat it.")
    ] = None,
    extractor: ExtractorOption = EXTRACTOR,
    weights: WeightsOption = None,
    sha256: Sha256Option = None,
    device: DeviceOption = "cpu",
    size: SizeOption = 256,
    as_is: AsIsOption = False,
    format: PicturesFormat = "table",
) -> None:
    """Which of several artists pictures look like; --extractor style knows some artists itself.

    The artists' drawings are also cut about their faces and shown nearer: a hand draws heads of any size.
    With --as-is they are not cut.

    Exit code 2: fewer than two artists. 3: pictures that cannot be used.
    4: no such folder or extractor.
    """
    from fewshot.evaluation.same_hand import style_rows

    how = looking(extractor, weights, sha256, device, size, as_is)
    print_rows(style_rows(pictures, among or (), how), format)

"""`fewshot eval kid|fid|pr`: how far apart two sources of pictures are, and how they overlap."""

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
    TwoSources,
    WeightsOption,
    looking,
    print_rows,
    two,
)


def kid(
    sources: TwoSources,
    subset_size: Annotated[
        int | None, typer.Option(min=2, help="Also the mean over 100 subsets of this many, as published.")
    ] = None,
    extractor: ExtractorOption = EXTRACTOR,
    weights: WeightsOption = None,
    sha256: Sha256Option = None,
    device: DeviceOption = "cpu",
    size: SizeOption = 256,
    as_is: AsIsOption = False,
    format: PicturesFormat = "table",
) -> None:
    """Kernel distance of two sources of pictures, with its interval; unbiased at any number.

    Exit code 2: not two sources. 3: pictures that cannot be used.
    4: no such folder, extractor or weight file.
    """
    from fewshot.evaluation.folders import kid_rows

    how = looking(extractor, weights, sha256, device, size, as_is)
    print_rows(kid_rows(*two(sources, "kid"), how, subset_size), format)


def fid(
    sources: TwoSources,
    extractor: ExtractorOption = EXTRACTOR,
    weights: WeightsOption = None,
    sha256: Sha256Option = None,
    device: DeviceOption = "cpu",
    size: SizeOption = 256,
    as_is: AsIsOption = False,
    format: PicturesFormat = "table",
) -> None:
    """Frechet distance of two sources of pictures; biased under 2,048 pictures, and says so.

    Exit code 2: not two sources. 3: pictures that cannot be used.
    4: no such folder, extractor or weight file.
    """
    from fewshot.evaluation.folders import fid_rows

    print_rows(
        fid_rows(*two(sources, "fid"), looking(extractor, weights, sha256, device, size, as_is)), format
    )


def pr(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS DRAWINGS", help="Two folders, .tar archives, or patterns in quotes."),
    ],
    k: Annotated[int, typer.Option("--k", min=1, help="Neighbours that make a picture's surroundings.")] = 5,
    extractor: ExtractorOption = EXTRACTOR,
    weights: WeightsOption = None,
    sha256: Sha256Option = None,
    device: DeviceOption = "cpu",
    size: SizeOption = 256,
    as_is: AsIsOption = False,
    format: PicturesFormat = "table",
) -> None:
    """Do results look like the drawings (precision, density), and show all they show (recall, coverage)?

    Exit code 2: not two sources. 3: pictures that cannot be used, or no more
    than --k. 4: no such folder, extractor or weight file.
    """
    from fewshot.evaluation.folders import pr_rows

    print_rows(
        pr_rows(*two(sources, "pr"), looking(extractor, weights, sha256, device, size, as_is), k), format
    )

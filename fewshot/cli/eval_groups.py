"""`fewshot eval groups`: periods, media and moods in one artist's drawings, as folders to adapt to."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.eval_options import (
    EXTRACTOR,
    DeviceOption,
    ExtractorOption,
    PicturesFormat,
    Sha256Option,
    SizeOption,
    WeightsOption,
    looking,
)
from fewshot.output import emit, notice, warn


def groups(
    drawings: Annotated[Path, typer.Argument(help="Folder of drawings by one artist.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DEST", help="Copy the drawings into DEST/GROUP; a new folder."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name of a group, largest first; repeat it. Default: group-1, …"),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Make this many groups, whatever the evidence.")
    ] = None,
    extractor: ExtractorOption = EXTRACTOR,
    weights: WeightsOption = None,
    sha256: Sha256Option = None,
    device: DeviceOption = "cpu",
    size: SizeOption = 256,
    format: PicturesFormat = "table",
) -> None:
    """Divide drawings into groups that are alike, if there are any, and name those that belong to none.

    Each group has a medoid, the drawing in its middle, and the outliers nearest to it. With --out, adapt to
    one of them: fewshot adapt DEST/group-1 --name mine-early

    Exit code 2: names that do not fit. 3: pictures that cannot be used. 4: no such folder or extractor.
    5: DEST exists.
    """
    from fewshot.evaluation.groups import COLUMNS, JSON_COLUMNS, group_drawings

    found = group_drawings(drawings, looking(extractor, weights, sha256, device, size), name or (), count)
    for problem in found.problems:
        warn(problem.message)
    if out is not None:
        found.copy(out)
    emit(found.rows(out), COLUMNS if format == "table" else JSON_COLUMNS, format)
    extracted, sha256, resize = found.judge
    notice(f"{extracted}: {resize}, sha256 {sha256[:12]}")
    notice(found.verdict(asked=count is not None))
    if out is not None:
        notice(f"copies in {out}; next: fewshot adapt '{out / found.names[0]}' --name {found.names[0]}")

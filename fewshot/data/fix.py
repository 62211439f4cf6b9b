"""A cleaned copy of a checked folder: upright 8-bit pictures, each once, complete or not there at all."""

import os
import shutil
from pathlib import Path

from fewshot.data.check import CheckReport, PictureReport
from fewshot.data.pictures import read_picture
from fewshot.errors import BadInputError
from fewshot.files import new_folder


def fix_folder(report: CheckReport, dest: str | Path) -> list[Path]:
    """Write the usable pictures of `report` to the new folder `dest`; returns the files written.

    Upright 8-bit RGB files are copied byte for byte, all others are written as PNG. Nothing is left out but
    what cannot be used: tiny, odd and nearly equal drawings are a matter of taste. The folder appears
    complete or not at all.

    Raises:
        ConflictError: `dest` exists and is not an empty folder, or is the checked folder or inside it.
        BadInputError: no picture is usable, the place is read-only or the disk is full.
    """
    dest = Path(dest)
    if not report.usable:
        raise BadInputError(
            f"{report.folder}: no usable picture to copy", "fix what the report names, then try again"
        )
    with new_folder(dest, report.folder) as folder:
        names = [_write(picture, folder) for picture in report.usable]
    return [dest / name for name in names]


def _write(picture: PictureReport, folder: Path) -> str:
    if not picture.changes:
        return Path(shutil.copyfile(picture.path, folder / picture.path.name)).name
    opened = read_picture(picture.path)
    path = folder / f"{picture.path.stem}.png"
    # `a.png` and `a.tif` of one folder would meet in one name.
    if path.exists() or any(
        path.name == other.name for other in picture.path.parent.iterdir() if other != picture.path
    ):
        path = folder / f"{picture.path.name}.png"
    with path.open("xb") as handle:
        opened.image.save(handle, format="PNG")
        handle.flush()
        os.fsync(handle.fileno())
    return path.name

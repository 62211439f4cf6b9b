"""A cleaned copy of a checked folder: upright 8-bit pictures, each once, complete or not there at all."""

import itertools
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
        # `a.png` and `a.tif` of one folder would meet in one name.
        taken = {entry.name.casefold() for entry in report.folder.iterdir()}
        names = [_write(picture, folder, taken) for picture in report.usable]
    return [dest / name for name in names]


def _write(picture: PictureReport, folder: Path, taken: set[str]) -> str:
    """Copy or convert one picture; a converted one takes a name that is not taken, or keeps its own."""
    old = picture.path.name
    if not picture.changes:
        return Path(shutil.copyfile(picture.path, folder / old)).name
    opened = read_picture(picture.path)
    first = (f"{picture.path.stem}.png", f"{old}.png")
    wanted = itertools.chain(first, (f"{old}-{number}.png" for number in itertools.count(2)))
    name = next(name for name in wanted if name == old or name.casefold() not in taken)
    taken.add(name.casefold())
    with (folder / name).open("xb") as handle:
        opened.image.save(handle, format="PNG")
        handle.flush()
        os.fsync(handle.fileno())
    return name

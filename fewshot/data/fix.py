"""A cleaned copy of a checked folder: upright 8-bit pictures, each once, complete or not there at all."""

import os
import secrets
import shutil
from pathlib import Path

from fewshot.data.check import CheckReport, PictureReport
from fewshot.data.pictures import read_picture
from fewshot.errors import BadInputError, ConflictError
from fewshot.files import clear_write_errors


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
            f"{report.folder}: no usable picture to copy", "Fix what the report names, then try again."
        )
    source, target = report.folder.resolve(), dest.resolve()
    if target == source or source in target.parents:
        raise ConflictError(
            f"{dest}: lies in the folder that was checked; expected another place",
            "Choose a folder beside it.",
        )
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise ConflictError(
            f"{dest}: exists already and is not empty; expected a new folder",
            "Choose another name, or remove it first.",
        )
    temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    made = [parent for parent in target.parents if not parent.exists()]
    try:
        with clear_write_errors(dest):
            temporary.mkdir(parents=True)
            names = [_write(picture, temporary) for picture in report.usable]
            os.replace(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
        raise
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

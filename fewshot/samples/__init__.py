"""Pictures that ship with the toolkit, made by `fewshot.samples.draw`, CC0: scripted hands, and snapshots."""

from importlib.resources import files
from pathlib import Path

from fewshot.errors import NotFoundError

_HANDS = ("ink", "flat", "pastel", "riso")
SNAPSHOT = "snapshot"
"""Rendered photos, as `draw` calls them."""


def sample_hands() -> tuple[str, ...]:
    """Names of the shipped hands."""
    return _HANDS


def sample_folder(hand: str) -> Path:
    """Folder with the drawings of one hand (24 or more 256 px WebP files).

    Raises:
        NotFoundError: no such hand, or the package was installed without its pictures.
    """
    if hand not in _HANDS:
        raise NotFoundError(
            f"no sample hand {hand!r}; there are {', '.join(_HANDS)}", "choose one of these names"
        )
    return _folder(hand)


def snapshot_folder() -> Path:
    """Folder with rendered photos of people (96 or more 192 px WebP files).

    Raises:
        NotFoundError: the package was installed without its pictures.
    """
    return _folder(SNAPSHOT)


def _folder(name: str) -> Path:
    folder = Path(str(files(__package__))) / "pictures" / name
    if not folder.is_dir():
        many = " --count 128 --size 192" if name == SNAPSHOT else ""
        raise NotFoundError(
            f"the sample pictures are missing: {folder}",
            f"draw them with `python -m fewshot.samples.draw --out {folder.parent} --hand {name}{many}`",
        )
    return folder

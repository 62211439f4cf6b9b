"""Sample drawings that ship with the toolkit: four scripted hands, drawn by `fewshot.samples.draw`, CC0."""

from importlib.resources import files
from pathlib import Path

from fewshot.errors import NotFoundError

_HANDS = ("ink", "flat", "pastel", "riso")


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
    folder = Path(str(files(__package__))) / "pictures" / hand
    if not folder.is_dir():
        raise NotFoundError(
            f"the sample pictures are missing: {folder}",
            f"draw them with `python -m fewshot.samples.draw --out {folder.parent}`",
        )
    return folder

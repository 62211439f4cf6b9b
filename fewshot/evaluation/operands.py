"""What a person may name to be measured: pictures, or a style or base model that redraws photos."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from base_models.registry import list_models
from fewshot.adapters.files import is_adapter
from fewshot.catalog.use import is_catalogued
from fewshot.data.pictures import to_square
from fewshot.errors import NotFoundError, UsageError
from fewshot.evaluation.held_out import redraw
from fewshot.evaluation.sources import Gathered, gather
from fewshot.home import base_folder
from fewshot.inference.engine import Engine
from fewshot.inference.torch_engine import TorchEngine
from fewshot.styles import finished_runs, parse_style

Kind = Literal["pictures", "style", "base"]

SIZE = 256
"""Side at which pictures are compared where no base says otherwise, px."""


@dataclass(frozen=True)
class Operand:
    """One thing to measure."""

    text: str
    """As the person wrote it."""
    kind: Kind
    """Pictures, or what draws them."""
    engine: Engine | None = None
    """What redraws photos; None for pictures."""

    @property
    def label(self) -> str:
        """A short name: the last part of a path, or the style or base as written."""
        return Path(self.text).name or str(Path(self.text).resolve())


def find_operand(text: str, base: str | None = None) -> Operand:
    """What `text` means, in this order: an adapter's folder, pictures, a style's name, a base model.

    A style's name is that of a catalogued one, `name[@alias]`, or of a finished run.

    Args:
        text: a folder, archive or pattern of pictures, `STYLE[:WEIGHT]`, or the name or file of a base.
        base: draws the styles; their own when None.

    Raises:
        NotFoundError: none of these; the nearest name is suggested.
        IntegrityError, CheckpointError: a damaged style or base.
    """
    if _means_pictures(Path(text).expanduser()):
        return Operand(text, "pictures")
    ref, _ = parse_style(text)
    path = Path(ref).expanduser()
    if _is_style(path) or ref in (runs := finished_runs()) or is_catalogued(ref):
        return Operand(text, "style", TorchEngine.from_names([text], base))
    bases = [model.name for model in list_models([base_folder()])]
    if ref in bases or path.suffix == ".safetensors":
        return Operand(text, "base", TorchEngine.from_names([], ref))
    near = difflib.get_close_matches(ref, [*runs, *bases], n=1)
    raise NotFoundError(
        f"{text!r}: no such folder, archive, style or base",
        f"did you mean {near[0]}?" if near else "check the path; `fewshot base ls` lists the bases",
    )


def _is_style(path: Path) -> bool:
    return is_adapter(path) or is_adapter(path / "adapter")


def _means_pictures(path: Path) -> bool:
    there = path.exists() or glob.has_magic(str(path)) or path.suffix == ".tar"
    return there and path.suffix != ".safetensors" and not _is_style(path)


def distinct_labels(operands: list[Operand]) -> tuple[str, ...]:
    """A name for each: short where that tells them apart, as written where not.

    Raises:
        UsageError: fewer than two operands, or one of them twice.
    """
    short = [operand.label for operand in operands]
    names = tuple(o.text if short.count(o.label) > 1 else o.label for o in operands)
    meant = {str(Path(o.text).expanduser().resolve()) if o.kind == "pictures" else o.text for o in operands}
    if len(operands) < 2 or len(meant) < len(names):
        raise UsageError(
            f"{len(meant)} different things to compare; expected two or more, each once",
            "name folders, archives, patterns in quotes, styles or bases",
        )
    return names


def common_size(operands: list[Operand]) -> int:
    """The smallest size that one of them draws at, px: more detail than that not all of them have."""
    return min([operand.engine.size for operand in operands if operand.engine] or [SIZE])


def needs_photos(operands: list[Operand], photos: Path | None) -> None:
    """Raise UsageError where something is to draw and there is nothing to redraw."""
    drawn = next((operand for operand in operands if operand.engine is not None), None)
    if drawn is not None and photos is None:
        raise UsageError(
            f"{drawn.text} is a {drawn.kind}: it needs photos to redraw", "name them: --photos DIR"
        )


def draw(operand: Operand, size: int, photos: Callable[[int], Gathered] | None) -> Gathered:
    """The operand's pictures at `size` px: read, or drawn from `photos` of the engine's size.

    Raises:
        NotFoundError, BadInputError: as `gather`.
    """
    if operand.engine is None:
        return gather(Path(operand.text).expanduser(), size)
    assert photos is not None
    shown = photos(operand.engine.size)
    (drawn,) = redraw(shown.pixels, operand.engine)
    return Gathered(operand.label, shown.names, at_size(drawn, size), shown.skipped)


def at_size(pictures: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Squares, uint8 `(N, 3, S, S)`, at another side by Lanczos; those of that side as they are."""
    if pictures.shape[2] == size:
        return np.ascontiguousarray(pictures)
    images = (Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))) for picture in pictures)
    return np.stack([to_square(image, size).transpose(2, 0, 1) for image in images])

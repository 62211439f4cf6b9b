"""Everything that a report looks at: results, the artist's drawings, photos, and what to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from base_models.registry import create_model
from eval.features import Extractor, takes_file
from fewshot.data.style_set import DrawingCrop
from fewshot.errors import UsageError
from fewshot.evaluation.comparison import JUDGES
from fewshot.evaluation.decoding import Crop
from fewshot.evaluation.features import open_judge
from fewshot.evaluation.folders import require_two
from fewshot.evaluation.held_out import redraw
from fewshot.evaluation.operands import Operand, at_size, common_size, find_operand, needs_photos
from fewshot.evaluation.same_person import nearer_framing, pair_by_name, photos_crop
from fewshot.evaluation.sources import Gathered, gather, gather_drawings, gather_others
from fewshot.home import base_folder
from fewshot.inference.engine import Engine, base_of
from fewshot.inference.torch_engine import TorchEngine
from fewshot.output import notice

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel


@dataclass(frozen=True)
class Request:
    """What a report is to be about."""

    thing: str
    """A style, a base, or a folder, archive or pattern of results; as `operands.find_operand` reads it."""
    drawings: Path
    """The artist's drawings; for an honest number, ones that were not trained on."""
    photos: Path | None = None
    """What a style or base redraws; for a folder of results, their photos under the same names."""
    indices: str | None = None
    """Which photos, as `sources.parse_indices` reads it."""
    crop: Crop = "auto"
    """How a photo becomes a square."""
    drawings_crop: DrawingCrop | None = None
    """How a drawing does; None: as the style that is judged saw drawings, and for a folder of results as
    they are most like these."""
    others: tuple[Path, ...] = ()
    """Drawings by others; the shipped hands when empty."""
    training: Path | None = None
    """The drawings trained on, to look for copies of them."""
    base: str | None = None
    """Draws the style and its before; the style's own when None. For a folder: the base for the way back."""
    extractors: tuple[str, ...] = JUDGES
    """Names of features; the first one decides."""
    weights: Path | None = None
    """Weight file of the extractors that need one."""
    sha256: str | None = None
    """Of that file, where it is another than the known one."""
    device: str = "cpu"
    """Where the extractors run."""
    size: int | None = None
    """Side at which all pictures are compared, px; the base's own or 256 when None."""
    detector: Path | None = None
    """YuNet's weight file."""
    shown: int = 6
    """Results that are shown as pictures."""

    def judges(self) -> tuple[Extractor, ...]:
        """The extractors; those without a weight file among them get none."""
        given, none = (self.weights, self.sha256), (None, None)
        if given != none and not any(map(takes_file, self.extractors)):
            raise UsageError(
                f"--weights, --sha256: {', '.join(self.extractors)} have no weight file to give",
                "leave them out, or add the extractor that they are of: --extractor NAME",
            )
        return tuple(
            open_judge(name, *(given if takes_file(name) else none), self.device) for name in self.extractors
        )


@dataclass(frozen=True, eq=False)
class Sides:
    """Pictures of every side, all at one size."""

    name: str
    """What is judged."""
    size: int
    """Side of the squares, px."""
    results: Gathered
    """What is judged."""
    drawings: Gathered
    """What it is judged by."""
    others: Mapping[str, Gathered]
    """Drawings by others, by name."""
    photos: Gathered | None
    """The photos of `paired`, in the same order."""
    paired: Gathered | None
    """The results that have a photo."""
    before: Gathered | None
    """The same photos drawn by the base alone, where a style is judged."""
    base: BaseModel | None
    """The base at hand."""
    training: Gathered | None
    """The drawings trained on."""

    @property
    def columns(self) -> tuple[tuple[str, Gathered], ...]:
        """Name and pictures of what is judged: the base first, where there is one to compare with."""
        after = (self.name, self.results)
        return (("base", self.before), after) if self.before is not None else (after,)

    @property
    def everything(self) -> tuple[Gathered, ...]:
        """All sources, for what was left out."""
        sides = (self.results, self.drawings, *self.others.values(), self.photos, self.training)
        return tuple(side for side in sides if side is not None)


def gather_sides(request: Request) -> Sides:
    """Read and draw all pictures.

    Raises:
        UsageError: a style without photos, or one folder in two roles that exclude each other.
        NotFoundError, BadInputError, IntegrityError: what cannot be found or used.
    """
    operand = find_operand(request.thing, request.base)
    needs_photos([operand], request.photos)
    size = request.size or common_size([operand])
    crop = request.drawings_crop or _nearer(operand, request, size)
    drawings = gather_drawings(request.drawings, size, crop)
    require_two(str(request.drawings), drawings)
    training = gather_drawings(request.training, size, crop) if request.training is not None else None
    if training is not None:
        require_two(str(request.training), training)
    base: BaseModel | None = None
    if operand.engine is not None:
        base = create_model(base_of(operand.engine), folders=(base_folder(),))
        photos, before, results = _drawn(operand, operand.engine, base, size, request)
        paired: Gathered | None = results
    else:
        if request.base is not None:
            base = create_model(request.base, folders=(base_folder(),))
        results, before, photos, paired = gather(Path(operand.text).expanduser(), size), None, None, None
        require_two(operand.text, results)
        if request.photos is not None:
            framing = photos_crop(request.crop, Path(operand.text).expanduser())
            shown = gather(request.photos, size, indices=request.indices, crop=framing)
            photos, paired = pair_by_name(shown, results, str(request.photos), operand.text)
    others = _others(request, size, crop, results)
    return Sides(operand.label, size, results, drawings, others, photos, paired, before, base, training)


def _nearer(operand: Operand, request: Request, size: int) -> DrawingCrop:
    if operand.engine is not None:
        return "face"
    results = gather(Path(operand.text).expanduser(), size).pixels
    folders = [folder for folder in (request.drawings, request.training) if folder is not None]
    return nearer_framing(results, folders, size)


def _others(request: Request, size: int, crop: DrawingCrop, results: Gathered) -> dict[str, Gathered]:
    """Hands that share no picture with what is judged: among them every picture would find itself."""
    own = [gather(folder, size) for folder in (request.drawings, request.training) if folder is not None]
    known = {picture for side in (results, *own) for picture in side.hashes}
    # A frame depends on the other drawings of the folder, so it is the uncut pictures that are compared.
    uncut = gather_others(request.others, size, artist=request.drawings, crop="center")
    others = dict(uncut)
    if crop != "center":
        others = gather_others(request.others, size, artist=request.drawings, crop=crop)
    for name in [name for name, side in uncut.items() if known.intersection(side.hashes)]:
        notice(f"{name} is no other hand here: it holds pictures of the results or drawings; left out")
        del others[name]
    if not others:
        raise UsageError("no drawings by others are left to compare with", "name some: --others DIR")
    return others


def _drawn(
    operand: Operand, engine: Engine, base: BaseModel, size: int, request: Request
) -> tuple[Gathered, Gathered | None, Gathered]:
    """Photos, the base's results where a style is judged, and the results."""
    assert request.photos is not None
    shown = gather(request.photos, engine.size, indices=request.indices, crop=request.crop)
    require_two(str(request.photos), shown)
    plain = TorchEngine(base) if operand.kind == "style" else None
    made = redraw(shown.pixels, *([plain] if plain else []), engine)

    def at(source: str, pixels: NDArray[np.uint8]) -> Gathered:
        return Gathered(source, shown.names, at_size(pixels, size), shown.skipped)

    photos = at(shown.source, shown.pixels)
    return photos, at(base.name, made[0]) if plain else None, at(operand.label, made[-1])

"""The measurement of one style on photos and drawings it never saw: redraw, compare, record, show."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from base_models.registry import create_model
from fewshot.data.pictures import content_hash, list_pictures, open_picture
from fewshot.data.style_set import DrawingCrop
from fewshot.errors import ConflictError, FewshotError, UsageError
from fewshot.evaluation.comparison import JUDGES, Comparison, compare
from fewshot.evaluation.decoding import Crop
from fewshot.evaluation.sources import Gathered, gather, gather_drawings, gather_others
from fewshot.files import atomic_write_bytes, atomic_write_text
from fewshot.home import base_folder
from fewshot.inference.engine import Engine, base_of
from fewshot.inference.levelling import stylize_level
from fewshot.inference.torch_engine import TorchEngine
from fewshot.output import progress, warn
from fewshot.sheets import contact_sheet, is_sheet, png_bytes
from fewshot.styles import load_style, parse_style

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel
    from fewshot.adapters.adapter import Adapter

CHUNK = 8


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One measured style, with its pictures."""

    style: Adapter
    """The style."""
    weight: float
    """Its strength."""
    base: BaseModel
    """The base on both sides."""
    photos: Gathered
    """What was redrawn."""
    drawings: Gathered
    """What the results were compared with."""
    before: np.ndarray
    """The photos as the base draws them, uint8 `(M, 3, S, S)`."""
    after: np.ndarray
    """The photos in the style, uint8 `(M, 3, S, S)`."""
    comparison: Comparison
    """The numbers."""

    def to_dict(self) -> dict[str, Any]:
        """What metrics-heldout.json holds."""
        return {
            "style": {"name": self.style.name, "sha256": self.style.sha256, "weight": self.weight},
            "base": {"name": self.base.name, "sha256": self.base.sha256},
            "photos": {"source": self.photos.source, "names": list(self.photos.names)},
            "drawings": {"source": self.drawings.source, "names": list(self.drawings.names)},
            **self.comparison.to_dict(),
        }

    def write_metrics(self, path: Path) -> None:
        """Write `to_dict` as JSON in ASCII (a file name may be no valid UTF-8), whole or not at all."""
        atomic_write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    def write_sheet(self, path: Path, columns: int = 8) -> None:
        """Write the first `columns` of everything, by index and never chosen, as PNG."""
        atomic_write_bytes(path, png_bytes(self.sheet(columns)))

    def sheet(self, columns: int = 8) -> Image.Image:
        """Drawings, photos, base and style, `columns` of each."""
        rows = [
            ("drawings", self.drawings.pixels),
            ("photos", self.photos.pixels),
            ("base", self.before),
            (self.style.name, self.after),
        ]
        return contact_sheet([(caption, pictures[:columns]) for caption, pictures in rows])


def check_outputs(numbers: Path | None, sheet: Path | None) -> None:
    """Refuse, before anything is measured, what would replace a file that was made otherwise.

    Raises:
        UsageError: a sheet that does not end in .png.
        ConflictError: another file is there.
    """
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise UsageError(f"a sheet is a PNG file, and {sheet} does not end in .png", "name it sheet.png")
    if sheet is not None and sheet.exists() and not is_sheet(sheet):
        raise ConflictError(f"{sheet} is there and is no contact sheet", "write to another file")
    if numbers is not None and numbers.exists() and not _holds_numbers(numbers):
        raise ConflictError(f"{numbers} is there and holds no such numbers", "write to another file with -o")


def _holds_numbers(path: Path) -> bool:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"style", "base", "photos", "drawings"} <= found.keys()


def measure_style(
    style: str,
    drawings: Path,
    photos: Path,
    *,
    indices: str | None = None,
    others: Sequence[Path] = (),
    base: str | None = None,
    extractors: Sequence[str] = JUDGES,
    crop: Crop = "auto",
    drawings_crop: DrawingCrop = "face",
    training: Path | None = None,
) -> HeldOut:
    """Draw the same photos with the base and with the style, and compare both with the artist's drawings.

    Args:
        style: what `--style` takes: a path or a run, perhaps with `:weight`.
        drawings: folder of the artist's drawings, ones that were not trained on.
        photos: folder or .tar archive; `indices` chooses some.
        others: folders of other artists' drawings; the shipped hands when empty.
        base: name or file of the base; the style's own when None.
        extractors: names of `eval.features.list_extractors`.
        crop: how a photo becomes a square.
        drawings_crop: how a drawing does.
        training: the drawings trained on, to look for copies.

    Raises:
        NotFoundError, BadInputError, UsageError: a style, folder or option that cannot be used.
        IntegrityError: a damaged style, one of another base, or one without consent.
    """
    name, weight = parse_style(style)
    adapter = load_style(name)
    model = create_model(base or base_of(adapter), folders=(base_folder(),))
    engines = TorchEngine(model), TorchEngine(model, [(adapter, weight)])
    size = engines[0].size
    shown = gather(photos, size, indices=indices, crop=crop)
    references = gather_drawings(drawings, size, drawings_crop)
    _tell_of_known(adapter, drawings)
    negatives = gather_others(others, size, artist=drawings, crop=drawings_crop)
    trained = gather_drawings(training, size, drawings_crop).pixels if training is not None else None
    before, after = redraw(shown.pixels, *engines)
    with progress("measuring", 1) as bar:
        comparison = compare(
            after, before, shown.pixels, references, negatives, extractors=extractors, training=trained
        )
        bar.update(1)
    return HeldOut(adapter, weight, model, shown, references, before, after, comparison)


def _tell_of_known(adapter: Adapter, drawings: Path) -> None:
    """Say how many of the drawings the style was learned from: it is nearer to those than to any other."""
    known = set(adapter.record.get("references") or [])
    if not known or not drawings.is_dir():
        return
    seen = []
    for path in list_pictures(drawings):
        with contextlib.suppress(FewshotError):
            seen.append(content_hash(open_picture(path)) in known)
    if any(seen):
        warn(
            f"{drawings}: {adapter.name} was learned from {sum(seen)} of these {len(seen)} drawings, which "
            "flatters it: measure it on others"
        )


def redraw(
    photos: np.ndarray, *engines: Engine, rolls: Sequence[float] | None = None
) -> tuple[np.ndarray, ...]:
    """Draw photos, uint8 `(M, 3, S, S)`, with each engine: one array of the same shape per engine.

    They are drawn as they are held, or level where the roll of each head is given (`stylize_level`).
    """
    given = [0.0] * len(photos) if rolls is None else list(rolls)
    with progress("drawing", len(engines) * len(photos)) as bar:
        results = []
        for engine in engines:
            parts = []
            for start in range(0, len(photos), CHUNK):
                chunk = photos[start : start + CHUNK]
                parts.append(stylize_level(engine, chunk, given[start : start + CHUNK]))
                bar.update(bar.done + len(chunk))
            results.append(np.concatenate(parts))
        return tuple(results)

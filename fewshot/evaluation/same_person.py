"""Content and memorisation on folders: does each result show its own photo, and does any repeat a drawing?"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from base_models.registry import create_model
from eval.content import content_views
from eval.correspondence import Landmarks, cycle_agreement
from eval.features import square_text
from eval.memorisation import lean_to_training, memorisation
from eval.structure import LAYOUT, STRUCTURE, structure_features
from fewshot.data.augment import to_float, to_uint8
from fewshot.data.pictures import list_pictures
from fewshot.data.style_set import DrawingCrop
from fewshot.errors import BadInputError, UsageError
from fewshot.evaluation.decoding import Crop
from fewshot.evaluation.folders import require_two
from fewshot.evaluation.landmarks import landmark_detector
from fewshot.evaluation.operands import at_size
from fewshot.evaluation.rows import Row, resized
from fewshot.evaluation.sources import Gathered, gather, gather_drawings
from fewshot.home import base_folder
from fewshot.output import notice, progress

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel

CHUNK = 8
_SQUARE = 1.02
"""Longer side over the shorter of what is still a square."""
_SEEN_AS = {STRUCTURE: square_text(64), LAYOUT: square_text(96)}


@dataclass(frozen=True)
class Further:
    """What may be compared with besides photos and results."""

    crop: Crop = "auto"
    """How photos become squares; see `photos_crop`."""
    drawings: Path | None = None
    """The drawings trained on, to look for copies of them."""
    drawings_crop: DrawingCrop | None = None
    """How drawings do; None: as `nearer_framing` finds."""
    heldout: Path | None = None
    """Other drawings by the same hand, to tell memorisation from a likeness of the whole hand."""
    base: str | None = None
    """Base model whose way back turns results into photos again."""
    detector: Path | None = None
    """YuNet's weight file; None looks in the cache and fetches it."""


def content_rows(photos: Path, results: Path, size: int, further: Further) -> list[Row]:
    """Can each result be told to be its own photo's, by name; and does any copy a drawing.

    Raises:
        BadInputError: fewer than two pairs of the same name.
        UsageError: held-out drawings without those trained on.
        NotFoundError, CheckpointError: a folder, base or detector that is not there.
    """
    if further.heldout is not None and further.drawings is None:
        raise UsageError(
            "--heldout without --drawings: held-out drawings are compared with those trained on",
            "name them too: --drawings DIR",
        )
    landmarks, notes = landmark_detector(further.detector)
    crop = photos_crop(further.crop, results)
    sides = gather(photos, size, crop=crop), gather(results, size)
    before, after = pair_by_name(*sides, str(photos), str(results))
    base = create_model(further.base, folders=(base_folder(),)) if further.base is not None else None
    rows = view_rows(before, after, size, landmarks, notes)
    if base is not None:
        rows.append(cycle_row(base, before, after))
    if further.drawings is not None:
        folders = [folder for folder in (further.drawings, further.heldout) if folder is not None]
        framing = further.drawings_crop or nearer_framing(after.pixels, folders, size)
        rows += memorisation_rows(after, *(gather_drawings(folder, size, framing) for folder in folders))
    return rows


def photos_crop(crop: Crop, results: Path) -> Crop:
    """How photos become the squares that results are: `stylize` makes squares of faces, and whole pictures
    keep their shape. Where most results do, photos are compared by their middles as the results are.

    Args:
        crop: what was asked for; only `auto` is decided here.
        results: folder of drawings; of anything else `crop` is kept.
    """
    if crop != "auto" or not results.is_dir():
        return crop
    oblong = []
    for path in list_pictures(results):
        # What cannot be read is told where it is decoded.
        with contextlib.suppress(Exception), Image.open(path) as image:
            oblong.append(max(image.size) > _SQUARE * min(image.size))
    if 2 * sum(oblong) <= len(oblong):
        return crop
    notice(f"{results} holds whole pictures: they and the photos are compared by their middles")
    return "center"


def nearer_framing(results: np.ndarray, folders: Sequence[Path], size: int) -> DrawingCrop:
    """How drawings become squares that are most like the results: about the face, as `fewshot adapt` sees
    them, or their middle. A copy is found in the framing that it was made in alone.

    Args:
        results: uint8 `(M, 3, S, S)`.
        folders: of drawings.
        size: S, px.
    """
    made = structure_features(results)

    def nearness(crop: DrawingCrop) -> float:
        drawn = [structure_features(gather_drawings(folder, size, crop).pixels) for folder in folders]
        return float((made @ np.concatenate(drawn).T).max(1).mean())

    framings: tuple[DrawingCrop, ...] = ("face", "center")
    return max(framings, key=nearness)


def pair_by_name(before: Gathered, after: Gathered, photos: str, results: str) -> tuple[Gathered, Gathered]:
    """The pictures that have a partner of the same stem on the other side, in the order of the photos.

    Raises:
        BadInputError: fewer than two pairs, or one stem twice; `photos` and `results` name the sides.
    """
    for side, text in ((before, photos), (after, results)):
        if twice := next((name for name, count in Counter(side.names).items() if count > 1), None):
            raise BadInputError(
                f"{text} has more than one picture called {twice}, and pictures are paired by name",
                "rename them, or measure one folder at a time",
            )
    places = {name: row for row, name in enumerate(after.names)}
    pairs = [(row, places[name]) for row, name in enumerate(before.names) if name in places]
    if len(pairs) < 2:
        found = "one picture" if len(pairs) == 1 else "no picture"
        raise BadInputError(
            f"{found} of {photos} has a result of the same name in {results}; expected two or more",
            "`fewshot stylize PHOTOS -o RESULTS` keeps the names",
        )
    left = len(before) + len(after) - 2 * len(pairs)
    if left:
        notice(f"{left} pictures without a partner of the same name are left out")
    return before.rows([photo for photo, _ in pairs]), after.rows([result for _, result in pairs])


def view_rows(
    photos: Gathered,
    results: Gathered,
    size: int,
    landmarks: Landmarks | None,
    notes: tuple[str, ...] = (),
) -> list[Row]:
    """Matching rates by edges, layout and colours of parts, of pairs in the same order."""
    with progress("comparing", len(photos)) as bar:
        views = content_views(photos.pixels, results.pixels, landmarks)
        bar.update(len(photos))
    rows = []
    for view, found in views.items():
        name = found.top1.extractor
        resize = resized(size, _SEEN_AS.get(name, "their own pixels"))
        chance = f"own photo by {view}: chance {found.chance:.2g}"
        sides = photos, results
        rows.append(Row(f"own photo by {view}", found.top1, sides, resize, notes=(chance, *notes)))
        rows.append(Row(f"1/rank by {view}", found.reciprocal_rank, sides, resize))
    return rows


def cycle_row(base: BaseModel, photos: Gathered, results: Gathered) -> Row:
    """How far the base's way back from the results ends from the photos, beside that of shuffled pairs."""
    size, netG_B = int(base.netG_A.size), base.netG_B.eval()
    shown, drawn = (at_size(side.pixels, size) for side in (photos, results))
    back = []
    with progress("drawing back", len(results)) as bar, torch.inference_mode():
        for chunk in torch.from_numpy(drawn).split(CHUNK):
            back.append(to_uint8(netG_B(to_float(chunk))))
            bar.update(bar.done + len(chunk))
    found = cycle_agreement(shown, torch.cat(back).numpy())
    other = found.shuffled
    note = f"cycle L1 of shuffled pairs: {other.value:.3g} [{other.low:.3g}, {other.high:.3g}]"
    facts = {"shuffled": [other.value, other.low, other.high]}
    resize = resized(size, f"the way back of {base.name}")
    return Row("cycle L1 (0..1)", found.real, (photos, results), resize, base.sha256, (note,), facts)


def memorisation_rows(results: Gathered, training: Gathered, heldout: Gathered | None = None) -> list[Row]:
    """Copies of training drawings and, with held-out ones, whether results lean to the training drawings.

    Raises:
        BadInputError: fewer than two drawings on a side.
    """
    sides = [results, training, *([heldout] if heldout is not None else [])]
    for side in sides[1:]:
        require_two(side.source, side)
    made, trained, *unseen = (structure_features(side.pixels) for side in sides)
    resize = resized(results.pixels.shape[-1], square_text(64))
    copies = memorisation(made, trained)
    look = tuple(f"look at {results.names[row]}: a copy?" for row in copies.flagged)
    rows = [Row("copies of drawings", copies.copied, (results, training), resize, notes=look)]
    if unseen:
        lean = lean_to_training(made, trained, unseen[0])
        note = (
            f"nearer to trained-on: 0.5 is chance, p = {lean.p:.2g} (one-sided, random splits of the "
            f"drawings), {lean.compared} drawings on each side"
        )
        facts = {"p": lean.p}
        rows.append(Row("nearer to trained-on", lean.share, tuple(sides), resize, None, (note,), facts))
    return rows

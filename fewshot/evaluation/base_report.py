"""How good is a base: KID, FID, content, parts and the way back, on any photos and drawings, with intervals.

The photos are redrawn and compared with the drawings, which no photo belongs to. The shuffled column is the
control of a measure: the same score of each photo and another photo's drawing. With `hard` the same measures
follow for photos that are known to be hard (`hard_cases`); there KID before is always that of the photos
without what the case did to them, so that one ruler holds for all cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from base_models.counts import count_macs, count_parameters
from base_models.registry import create_model
from fewshot.errors import BadInputError
from fewshot.evaluation.base_measures import Drawn, Judge, draw_there_and_back
from fewshot.evaluation.base_record import BaseReport, Case
from fewshot.evaluation.features import open_judge
from fewshot.evaluation.hard_cases import HELD_OUT, HELD_OUT_SOURCE, MADE
from fewshot.evaluation.landmarks import landmark_detector
from fewshot.evaluation.record import FEW, few_for_kid
from fewshot.evaluation.sources import Gathered, gather
from fewshot.home import base_folder
from fewshot.output import progress

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel


@dataclass(frozen=True)
class Settings:
    """What is measured, and how."""

    photos: Path
    """Folder or .tar archive; held-out pictures are not left out."""
    drawings: Path
    """Folder or .tar archive of drawings in the target domain."""
    indices: str | None = None
    """Which photos, as `sources.parse_indices` reads it; None takes all."""
    drawing_indices: str | None = None
    """Which drawings."""
    n: int | None = None
    """At most this many of each, drawn with the seed; None takes all."""
    seed: int = 0
    """Of that choice, of the bootstrap, of shuffling and of the difficulties made by code."""
    extractor: str = "random"
    """Features of KID and FID; one that was in no loss of the base."""
    weights: Path | None = None
    """Weight file of the extractor, where it needs one."""
    sha256: str | None = None
    """Of that file, where it is another than the known one."""
    size: int | None = None
    """Side at which results and drawings are compared, px; None: the base's own."""
    detector: Path | None = None
    """YuNet's weight file; None looks in the cache and fetches it."""
    hard: bool = False
    """Whether to add the hard cases."""
    device: str = "cpu"
    """Where the networks run."""


def measure_base(base: str | Path, settings: Settings) -> BaseReport:
    """Measure a base model on photos and drawings.

    Args:
        base: name or file, as `base_models.create_model` takes it.
        settings: what to measure on.

    Raises:
        CheckpointError: no such base, or a damaged one.
        NotFoundError, BadInputError, UsageError: pictures, indices or a device that cannot be used, or fewer
            than two pictures.
        MissingWeightsError: the extractor's weight file is not there.
    """
    extractor = open_judge(settings.extractor, settings.weights, settings.sha256, settings.device)
    model = create_model(base, folders=(base_folder(),))
    size = settings.size or int(model.netG_A.size)
    photos = _some(gather(settings.photos, size, indices=settings.indices), settings)
    # A larger base sees photos at its own size, and not enlarged from the compared one.
    drawn_at = max(size, int(model.netG_A.size))
    inputs = photos
    if drawn_at > size:
        inputs = _some(gather(settings.photos, drawn_at, indices=settings.indices), settings)
    drawings = _some(gather(settings.drawings, size, indices=settings.drawing_indices), settings)
    for path, side in ((settings.photos, photos), (settings.drawings, drawings)):
        if len(side) < 2:
            raise BadInputError(f"{path}: {len(side)} picture; expected two or more", "add pictures")
    n = {"photos": len(photos), "drawings": len(drawings)}
    landmarks, notes = landmark_detector(settings.detector)
    if min(n.values()) < FEW:
        notes += (few_for_kid({"results": len(photos), "views": 1, **n}),)
    judge = Judge(extractor, drawings, photos, landmarks, settings.seed)
    cases = []
    with progress("measuring", (1 + len(MADE) * settings.hard) * len(photos)) as bar:
        drawn = draw_there_and_back(model, inputs.pixels, settings.device, size)
        cases.append(Case("all", "all", len(photos), (*judge.rows(drawn), judge.fid(drawn))))
        bar.update(len(photos))
        if settings.hard:
            cases += _listed(judge, drawn, photos)
            notes += () if cases[1:] else (f"no listed hard photos: they are of {HELD_OUT_SOURCE}",)
        for name, change in MADE.items() if settings.hard else ():
            spoilt = draw_there_and_back(model, change(inputs.pixels, settings.seed), settings.device, size)
            cases.append(Case(name, "made", len(photos), judge.rows(spoilt)))
            bar.update(bar.done + len(photos))
    return BaseReport(
        _facts(model),
        {
            "photos": photos.source,
            "indices": settings.indices,
            "drawings": drawings.source,
            "drawing_indices": settings.drawing_indices,
        },
        n,
        size,
        {"name": extractor.name, "sha256": extractor.sha256, "resize": extractor.resize},
        settings.seed,
        tuple(cases),
        notes,
    )


def _some(found: Gathered, settings: Settings) -> Gathered:
    if settings.n is None or len(found) <= settings.n:
        return found
    rng = np.random.default_rng(settings.seed)
    rows = np.sort(rng.permutation(len(found))[: settings.n])
    return found.rows(rows)


def _listed(judge: Judge, drawn: Drawn, photos: Gathered) -> list[Case]:
    """The listed hard photos among these, cases of `FEW` or more."""
    if Path(photos.source).stem != HELD_OUT_SOURCE:
        return []
    cases = []
    for name, numbers in HELD_OUT.items():
        stems = {f"{number:05d}" for number in numbers}
        chosen = np.array([row for row, stem in enumerate(photos.names) if stem in stems], int)
        if len(chosen) >= FEW:
            cases.append(Case(name, "listed", len(chosen), judge.rows(drawn.rows(chosen), chosen)))
    return cases


def _facts(model: BaseModel) -> dict[str, Any]:
    size, training = int(model.netG_A.size), model.header["training"]
    return {
        "name": model.name,
        "sha256": model.sha256,
        "size": size,
        "parameters": count_parameters(model.netG_A),
        "gmacs": count_macs(model.netG_A, size) / 1e9,
        **{key: training.get(key) for key in ("minutes", "pairs", "device", "processes", "precision")},
    }

"""The ablation's table: six variants with equal budgets, measured on the same held-out pictures.

The paper's own (arXiv 1807.08536, table 2; Cityscapes labels to photo; pixel and class accuracy, IoU):
stage 1 .457/.188/.124, stacked without skip and fusion .513/.186/.125, without skip .593/.184/.136, without
fusion .613/.194/.137, full .637/.201/.157. Faces have no such labels: here it is KID, FID and content, and
the order counts. What an equal budget is, of pairs or of minutes, `fewshot.training.ablation` says; the table
has both for every model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from base_models.architectures import ARCHITECTURES
from base_models.variants import FULL, VARIANTS
from eval.distances import kid_difference_interval
from eval.features import get_extractor
from eval.intervals import Estimate
from fewshot.data.archives import list_names
from fewshot.data.packs import is_held_out, source_stem
from fewshot.errors import BadInputError
from fewshot.evaluation.base_measures import Judge, draw_there_and_back
from fewshot.evaluation.base_record import BaseReport
from fewshot.evaluation.base_report import Settings, measure_base
from fewshot.evaluation.record import FEW
from fewshot.evaluation.sources import Gathered, gather
from fewshot.files import atomic_write_bytes, atomic_write_text
from fewshot.output import notice
from fewshot.sheets import contact_sheet, png_bytes
from fewshot.training.ablation import Budget, Trained, train_variants
from fewshot.training.pretrain_run import BaseRun, Source

TEXTS = {
    "KID": "kid",
    "KID - full's": "kid_beyond_full",
    "FID": "fid",
    "content 1st": "content_1st",
    "GMACs": "gmacs",
}
"""Columns of the table for `table_row`."""

COLUMNS = ("model", *TEXTS, "parameters", "pairs", "minutes")
"""Of the table."""

ALL_COLUMNS = (
    *("model", "kid", "kid_beyond_full", "fid", "content_1st", "n", "px", "extractor"),
    *("pairs", "minutes", "gmacs", "parameters", "path"),
)
"""Of JSON; a measure is `[value, low, high]`, `path` a checkpoint of which `fewshot base eval` tells more."""

Row = dict[str, Any]

_SHOWN = 8


def run_ablation(
    template: BaseRun, budget: Budget, settings: Settings, names: Sequence[str] = VARIANTS
) -> list[Row]:
    """Train variants and measure each; one row per variant with the keys of `ALL_COLUMNS`.

    All are compared at the full architecture's size; the result of the lowest stage alone is enlarged to it.
    Rows and a sheet of the first photos are also written to the run folder `ARCH-ablation.TAG`.

    Args:
        template: as for `train_variants`.
        budget: pairs or minutes of training for each variant, all stages together.
        settings: what to measure on; `settings.size` is not used.
        names: which of `base_models.variants`, in the order of the rows.

    Raises:
        As `train_variants` and `measure_base`.
    """
    size = ARCHITECTURES[template.config.arch].stages[-1].size
    settings = replace(settings, size=size)
    # Before hours of training, so that what cannot be measured fails early.
    photos = gather(settings.photos, size, indices=settings.indices)
    drawings = gather(settings.drawings, size, indices=settings.drawing_indices)
    folder, trained = train_variants("ablation", template, names, budget)
    rows: list[Row] = []
    results: dict[str, np.ndarray] = {}
    for name, one in trained.items():
        notice(f"{name}: measuring")
        rows.append(_row(name, one, measure_base(one.path, settings)))
        results[name] = draw_there_and_back(one.model, photos.pixels).results
    for row, beyond in zip(rows, _beyond_full(results, drawings, photos, settings), strict=True):
        row["kid_beyond_full"] = beyond
    sheet = [(name, shown[:_SHOWN]) for name, shown in {"photo": photos.pixels, **results}.items()]
    atomic_write_text(folder / "metrics.json", json.dumps(rows, indent=2) + "\n")
    atomic_write_bytes(folder / "sheet.png", png_bytes(contact_sheet(sheet)))
    notice(f"numbers and sheet in {folder}")
    return rows


def _beyond_full(
    results: Mapping[str, np.ndarray], drawings: Gathered, photos: Gathered, settings: Settings
) -> list[list[float] | None]:
    """KID of each variant less that of the full one, with intervals that pair results of the same photo.

    None where there are too few pictures for a KID or no full variant, and for the full one itself.
    """
    if FULL not in results or min(len(drawings), len(photos)) < FEW:
        return [None] * len(results)
    judge = Judge(get_extractor(settings.extractor, weights=settings.weights), drawings, photos, None, 0)
    features = {name: judge.features(pictures) for name, pictures in results.items()}
    return [
        None if name == FULL else triple(kid_difference_interval(judge.drawings, features[FULL], rows))
        for name, rows in features.items()
    ]


def _row(name: str, one: Trained, report: BaseReport) -> Row:
    found = {row.measure: row.estimate for row in report.cases[0].rows}
    return {
        "model": name,
        "kid": triple(found["KID"]) if "KID" in found else None,
        # It has no interval.
        "fid": found["FID"].value,
        "content_1st": triple(found["content 1st"]),
        "n": dict(report.n),
        "px": report.size,
        "extractor": report.extractor["name"],
        "pairs": one.pairs,
        "minutes": one.minutes,
        "gmacs": report.base["gmacs"],
        "parameters": report.base["parameters"],
        "path": str(one.path),
    }


def triple(estimate: Estimate) -> list[float]:
    """Value and 95 % interval, for JSON."""
    return [estimate.value, estimate.low, estimate.high]


def table_row(row: Row, columns: Mapping[str, str]) -> Row:
    """A row with more columns, whose text is made of the keys they name: measures with their intervals."""
    texts = {column: row.get(key) for column, key in columns.items()}
    return row | {
        c: "{:.3g} [{:.3g}, {:.3g}]".format(*v) if isinstance(v, list) else v for c, v in texts.items()
    }


def held_out_part(sources: Sequence[Path]) -> tuple[Path, str | None]:
    """The first source that has held-out pictures, and their numbers as `sources.parse_indices` reads them.

    Raises:
        BadInputError: none of them has any.
    """
    for source in sources:
        stem = source_stem(source)
        if stem.startswith("heldout"):
            return source, None
        # By the number alone: a picture in a sub-folder could share it with one that is trained on.
        names = [Path(name).name for name in list_names(source)]
        held = [Path(name).stem for name in names if is_held_out(stem, name)]
        numbers = [int(digits) for digits in held if digits.isdecimal()]
        if numbers:
            return source, f"{min(numbers)}-{max(numbers)}"
    listed = ", ".join(source.name for source in sources)
    raise BadInputError(
        f"nothing in {listed} is held out, so there is nothing to measure on",
        "add a folder whose name starts with `heldout`",
    )


def to_train_on(sources: Sequence[Path]) -> tuple[Source, ...]:
    """The sources that hold more than held-out pictures.

    Raises:
        BadInputError: none does.
    """
    kept = tuple(
        Source(path)
        for path in sources
        if not all(is_held_out(source_stem(path), name) for name in list_names(path))
    )
    if not kept:
        listed = ", ".join(source.name for source in sources)
        raise BadInputError(
            f"all pictures of {listed} are held out, so there is nothing to train on",
            "name a folder or archive of other pictures too, or a --pack",
        )
    return kept

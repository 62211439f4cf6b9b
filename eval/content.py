"""Does a result still show its own photo's person and pose, and is it more than a copy of a drawing?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from eval.errors import EvalError
from eval.features import square
from eval.intervals import Estimate, bootstrap_mean, proportion

_SIZE, _GRIDS, _BLURS, _ANGLES = 64, (8, 16), (1.0, 2.0), 6
STRUCTURE = "structure-v1"
COPY_RATIO = 0.5
"""A result nearer to a drawing than this share of the usual distance between drawings counts as a copy."""


@dataclass(frozen=True)
class Identification:
    """Can each result be told to be its own photo's?"""

    top1: Estimate
    """Share of results whose nearest photo is their own, with Wilson's interval."""
    reciprocal_rank: Estimate
    """Mean of 1 / rank of the own photo, with its bootstrap interval."""
    chance: float
    """What guessing would give for `top1`: 1 / n photos."""
    ranks: np.ndarray
    """Rank of the own photo for each result (N,), 1 is best."""


@dataclass(frozen=True)
class Memorisation:
    """Nearest training drawing of each result, against the distances between the drawings themselves."""

    ratio: np.ndarray
    """Distance to the nearest drawing over the drawings' median nearest-neighbour distance (M,)."""
    nearest: np.ndarray
    """Row of that drawing (M,)."""
    copied: Estimate
    """Share of results with a ratio below `COPY_RATIO`, with Wilson's interval."""
    flagged: tuple[int, ...]
    """Rows of those results, to look at."""


def structure_features(images: np.ndarray | Tensor, batch: int = 32) -> np.ndarray:
    """Where edges are and how they run, whatever the style.

    Like HOG (Dalal and Triggs 2005) with three differences: orientations are modulo 180 degrees, so a dark
    line and a bright one count alike; cells are normalised by their surroundings on a log scale, so strong
    outlines do not drown the rest; two blurs are kept, so thin and broad strokes of one contour land in the
    same cell.

    Args:
        images: uint8 RGB `(N, 3, H, W)`; the centre square is used.
        batch: pictures per step.

    Returns:
        `(N, D)` float32 unit vectors; `(N, D)` zeros for a picture without any edge.
    """
    stored = torch.as_tensor(images)
    if stored.dtype != torch.uint8 or stored.ndim != 4 or stored.shape[1] != 3 or not len(stored):
        raise EvalError(
            f"expected uint8 pictures (N, 3, H, W), N >= 1; found {tuple(stored.shape)} {stored.dtype}"
        )
    with torch.inference_mode():
        return torch.cat([_structure(part.float() / 255) for part in stored.split(batch)]).numpy()


def _structure(images: Tensor) -> Tensor:
    light = (square(images, _SIZE) * images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(
        1, keepdim=True
    )
    parts = []
    for sigma, grid in zip(_BLURS, reversed(_GRIDS), strict=True):
        energy = _orientation_energy(_blur(light, sigma))
        cells = F.adaptive_avg_pool2d(energy, grid)
        around = F.avg_pool2d(cells.sum(1, keepdim=True), 5, 1, 2, count_include_pad=False)
        cells = torch.log1p(4 * cells / (around + 0.004))
        flat = (cells - cells.mean((2, 3), keepdim=True)).flatten(1)
        parts.append(F.normalize(flat, eps=1e-6))
    return torch.cat(parts, 1) / len(parts) ** 0.5


def _blur(light: Tensor, sigma: float) -> Tensor:
    radius = int(3 * sigma)
    axis = torch.arange(-radius, radius + 1, dtype=light.dtype)
    kernel = torch.exp(-(axis**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    light = F.conv2d(F.pad(light, (radius, radius, 0, 0), mode="replicate"), kernel)
    return F.conv2d(F.pad(light, (0, 0, radius, radius), mode="replicate"), kernel.transpose(2, 3))


def _orientation_energy(light: Tensor) -> Tensor:
    """Gradient strength shared among orientations modulo 180 degrees: (B, 1, H, W) to (B, angles, H, W)."""
    padded = F.pad(light, (1, 1, 1, 1), mode="replicate")
    dx = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    dy = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    strength, double = torch.hypot(dx, dy), 2 * torch.atan2(dy, dx)
    centres = torch.arange(_ANGLES, dtype=light.dtype).view(1, -1, 1, 1) * (2 * torch.pi / _ANGLES)
    return strength * (0.5 + 0.5 * torch.cos(double - centres)) ** 2


def content_identification(
    photo_feats: np.ndarray, result_feats: np.ndarray, *, extractor: str = STRUCTURE, seed: int = 0
) -> Identification:
    """Rank all photos by their similarity to each result.

    Both sides are centred on their own mean first: what all results share is style, what all photos share is
    being photos, and neither says who is shown.

    Args:
        photo_feats: features (N, D) of the photos, N >= 2, such as `structure_features`.
        result_feats: features (N, D) of their results in the same order.
        extractor: name to print.
        seed: of the bootstrap.

    Raises:
        EvalError: different shapes or fewer than two pictures.
    """
    photos, results = (np.asarray(f, np.float64) for f in (photo_feats, result_feats))
    if photos.shape != results.shape or photos.ndim != 2 or len(photos) < 2:
        raise EvalError(
            f"expected one result per photo, at least two; found {photos.shape} and {results.shape}"
        )
    cosines = _centred_unit(results) @ _centred_unit(photos).T
    # Ties count against the result, or results that all look the same would score like perfect ones.
    ranks = (cosines >= np.diag(cosines)[:, None]).sum(1)
    n = len(photos)
    reciprocal = Estimate(*bootstrap_mean(1 / ranks, seed=seed), n, n, extractor)
    return Identification(proportion(ranks == 1, n, extractor), reciprocal, 1 / n, ranks)


def _centred_unit(rows: np.ndarray) -> np.ndarray:
    rows = rows - rows.mean(0)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def memorisation(results: np.ndarray, drawings: np.ndarray, *, extractor: str = STRUCTURE) -> Memorisation:
    """Are results copies of training drawings?

    Use features that see the whole layout (`structure_features`): style features are meant to be near the
    drawings.

    Args:
        results: features (M, D), M >= 1.
        drawings: features (N, D) of the training drawings, N >= 2.
        extractor: name to print.

    Raises:
        EvalError: too few rows or different D.
    """
    results, drawings = (np.asarray(f, np.float64) for f in (results, drawings))
    shapes = f"{results.shape} and {drawings.shape}"
    if results.ndim != 2 or drawings.ndim != 2 or results.shape[1] != drawings.shape[1]:
        raise EvalError(f"expected features (M, D) and (N, D); found {shapes}")
    if len(results) < 1 or len(drawings) < 2:
        raise EvalError(f"memorisation needs a result and two drawings; found {shapes}")
    own = _distances(drawings, drawings)
    np.fill_diagonal(own, np.inf)
    nearest_own = own.min(1)
    # Twin drawings have distance zero; they say nothing about the usual distance, so they are left out.
    distinct = nearest_own[nearest_own > 1e-6]
    usual = float(np.median(distinct)) if len(distinct) else 1e-6
    to_drawings = _distances(results, drawings)
    ratio = to_drawings.min(1) / usual
    copied = ratio < COPY_RATIO
    notes = ("fewer than 5 drawings: the usual distance is a rough guess",) if len(drawings) < 5 else ()
    flagged = tuple(int(i) for i in np.flatnonzero(copied))
    return Memorisation(
        ratio, to_drawings.argmin(1), proportion(copied, len(drawings), extractor, notes), flagged
    )


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    squared = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return np.sqrt(np.maximum(squared, 0))

"""Where the true drawing of each photo is known: how near is a result to it, base against candidate."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from eval.fidelity import mean_estimate, ssim
from eval.intervals import Estimate
from eval.perceptual import load_perceptual
from eval.structure import structure_features
from fewshot.errors import BadInputError
from fewshot.evaluation.sources import Gathered

_BATCH = 16


def truth(photos: Gathered, drawings: Gathered, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Distance of results to the true drawing of their photo, paired by name, or by the number it ends with.

    `perceptual` is LPIPS (arXiv 1801.03924, eq. 1) with equal weights on the shipped perceptual network,
    lower is nearer; it is the network of the losses, so it flatters what they made. `ssim` is structural
    similarity of the grey pictures, `edges` the cosine of `structure_features`; both higher is nearer.

    Args:
        photos, drawings: of the same names.
        before, after: the photos drawn by the base and by the candidate, uint8 `(M, 3, S, S)`.

    Returns:
        per measure `base` and `style`, each value, lower and upper end of the 95 % interval, and their
        paired `gain`.

    Raises:
        BadInputError: a photo without its drawing, or with several.
    """
    wanted = drawings.pixels[_drawings_of(photos, drawings)]
    found: dict[str, Any] = {"n": len(photos)}
    for name, measure in (("perceptual", _perceptual), ("ssim", _ssim), ("edges", _edges)):
        base, style = measure(before, wanted), measure(after, wanted)
        sides = (("base", base), ("style", style), ("gain", style - base))
        found[name] = {side: _triple(mean_estimate(values)) for side, values in sides}
    return found


def _drawings_of(photos: Gathered, drawings: Gathered) -> list[int]:
    """Row of the drawing of each photo."""
    for key in (str, _number):
        mine, theirs = [key(name) for name in photos.names], [key(name) for name in drawings.names]
        if set(mine) <= set(theirs):
            break
    rows = []
    for name, wanted in zip(photos.names, mine, strict=True):
        found = [row for row, given in enumerate(theirs) if wanted and given == wanted]
        if len(found) != 1:
            raise BadInputError(
                f"{photos.source}: {name} has {len(found)} drawings of the same name or number in "
                f"{drawings.source}; expected one",
                "give a photo and its drawing the same name",
            )
        rows.append(found[0])
    return rows


def _number(name: str) -> str:
    """What a name ends with, such as `12` of `photo-012`; empty where that is no number."""
    ending = re.search(r"\d+$", name)
    return str(int(ending[0])) if ending else ""


def _perceptual(results: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    net = load_perceptual()

    def maps(pixels: Tensor) -> list[Tensor]:
        return [F.normalize(m, dim=1) for m in net(pixels.float() / 255)]

    parts = []
    with torch.inference_mode():
        sides = (torch.from_numpy(np.ascontiguousarray(side)).split(_BATCH) for side in (results, wanted))
        for ours, theirs in zip(*sides, strict=True):
            layers = zip(maps(ours), maps(theirs), strict=True)
            parts.append(torch.stack([(a - b).square().sum(1).mean((1, 2)) for a, b in layers]).sum(0))
    return torch.cat(parts).numpy().astype(np.float64)


def _ssim(results: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return ssim(*(_grey(side) for side in (results, wanted)))


def _grey(pixels: np.ndarray) -> np.ndarray:
    grey = (pixels * np.array([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)).sum(1, keepdims=True)
    return np.asarray(grey.round().astype(np.uint8))


def _edges(results: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    ours, theirs = structure_features(results), structure_features(wanted)
    return np.asarray((ours * theirs).sum(1), np.float64)


def _triple(estimate: Estimate) -> list[float]:
    return [round(v, 4) for v in (estimate.value, estimate.low, estimate.high)]

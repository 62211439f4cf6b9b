"""Colour transfer by means and deviations (Reinhard et al. 2001, "Color Transfer between Images").

Each channel of a picture is shifted and scaled to the drawings' mean and standard deviation (their eq. 10 and
11). In CIELAB instead of their lαβ: that is logarithmic, and the black lines of drawings would sit at minus
infinity. The statistics are over the pixels of all drawings together, those of the picture its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from skimage.color import lab2rgb, rgb2lab

from fewshot.evaluation.rivals.plain import through
from fewshot.evaluation.rivals.rival import Redraw

if TYPE_CHECKING:
    from torch import Tensor

    from base_models.checkpoint import BaseModel

_FLAT = 1e-3
"""Deviation under which a channel is flat, CIELAB units: there is nothing to stretch."""


def on_photo(
    drawings: Tensor, base: BaseModel, *, photos: Tensor | None, minutes: float, seed: int
) -> Redraw:
    """Colour transfer to the photo."""
    mean, deviation = colour_statistics(drawings.numpy())
    return lambda pictures: transfer(pictures, mean, deviation)


def on_base(drawings: Tensor, base: BaseModel, *, photos: Tensor | None, minutes: float, seed: int) -> Redraw:
    """Colour transfer to what the base draws."""
    mean, deviation = colour_statistics(drawings.numpy())
    draw = through(base)
    return lambda pictures: transfer(draw(pictures), mean, deviation)


def colour_statistics(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of CIELAB over the pixels of all pictures `(N, 3, S, S)`, each `(3,)`."""
    lab = _to_lab(pictures)
    return lab.mean((0, 1, 2)), lab.std((0, 1, 2))


def matched(
    lab: NDArray[np.float64], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One picture `(S, S, 3)` with its channels shifted and scaled to this mean and deviation."""
    own = lab.std((0, 1))
    scale = np.where(own > _FLAT, deviation / np.maximum(own, _FLAT), 1.0)
    return (lab - lab.mean((0, 1))) * scale + mean


def transfer(
    pictures: NDArray[np.uint8], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Pictures uint8 `(M, 3, S, S)` in the drawings' colours; what no RGB value can show is clipped."""
    result = np.empty_like(pictures)
    for row, lab in enumerate(_to_lab(pictures)):
        wanted = matched(lab, mean, deviation)
        # L beyond 0..100 would be mirrored by the cube rather than clipped.
        wanted[..., 0] = wanted[..., 0].clip(0, 100)
        result[row] = (lab2rgb(wanted) * 255).round().clip(0, 255).astype(np.uint8).transpose(2, 0, 1)
    return result


def _to_lab(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    lab: NDArray[np.float64] = rgb2lab(pictures.transpose(0, 2, 3, 1) / 255.0)
    return lab

"""The two controls: doing nothing, and the base alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fewshot.evaluation.rivals.rival import Redraw
from fewshot.inference.torch_engine import TorchEngine

if TYPE_CHECKING:
    from torch import Tensor

    from base_models.checkpoint import BaseModel


def photo(drawings: Tensor, base: BaseModel, *, photos: Tensor | None, minutes: float, seed: int) -> Redraw:
    """Nothing is learned and nothing is done."""
    return lambda pictures: pictures.copy()


def base_alone(
    drawings: Tensor, base: BaseModel, *, photos: Tensor | None, minutes: float, seed: int
) -> Redraw:
    """What the base draws, whatever the drawings are."""
    return through(base)


def through(base: BaseModel) -> Redraw:
    """The photo-to-drawing direction of a base model, on the device that it is on."""
    engine = TorchEngine(base, device=str(next(base.netG_A.parameters()).device))

    def redraw(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return engine.stylize(pictures)

    return redraw

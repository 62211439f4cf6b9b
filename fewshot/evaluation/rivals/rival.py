"""What a comparison method is: something that learns from drawings and then redraws photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from base_models.checkpoint import BaseModel

Redraw = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Photos to results, both uint8 RGB `(M, 3, S, S)`; a photo's result does not depend on the others."""


class Prepare(Protocol):
    """Learns whatever the method learns from an artist's training drawings.

    Args:
        drawings: uint8 `(N, 3, S, S)` RGB, at the base's size.
        base: the base that our own adapters start from; most methods make no use of it.
        photos: uint8 `(K, 3, S, S)` to train on, none of them to be redrawn; None: what netG_B of the base
            makes of the drawings.
        minutes: training time, for methods that train.
        seed: of everything random.
    """

    def __call__(
        self, drawings: Tensor, base: BaseModel, *, photos: Tensor | None, minutes: float, seed: int
    ) -> Redraw: ...


@dataclass(frozen=True)
class Rival:
    """One comparison method."""

    name: str
    """Kebab-case, as it stands in tables."""
    summary: str
    """One line: what it does, and its paper."""
    trains: bool
    """Whether `minutes` are spent in `prepare`; the others only compute statistics of the drawings."""
    prepare: Prepare
    """Learns from the drawings; imports what is heavy only when it is called."""

"""Unpaired batches from packs in memory: any step's batch can be drawn again from (seed, step)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fewshot.data.draws import Draws
from fewshot.data.packs import Pack


class Domain:
    """One side of the translation: several packs with sampling weights.

    Args:
        packs: pictures of one size.
        weights: how often each pack is drawn from, relative to the others; default: by number of pictures.
        device: where the pixels are kept, as uint8, so that no step waits for a copy from the host.
    """

    def __init__(
        self,
        packs: Sequence[Pack],
        weights: Sequence[float] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.packs = tuple(packs)
        chances = np.array(weights if weights else [len(pack) for pack in packs], dtype=float)
        self.chances = torch.from_numpy(chances / chances.sum())
        # A memory-mapped cache stays on disk on a CPU and is read page by page; a device gets a copy.
        self.pixels = [torch.from_numpy(pack.pixels).to(device) for pack in packs]
        self._drawn = (torch.empty(0, dtype=torch.int64),) * 2

    def __len__(self) -> int:
        return sum(len(pack) for pack in self.packs)

    def draw(self, draws: Draws) -> Tensor:
        """A picture for each place, drawn with replacement: uint8 `(len(draws), 3, S, S)`."""
        # For all places, so that what all processes were shown can be told.
        every = Draws(draws.shared, draws.total)
        chosen = every.choose(self.chances)
        lengths = torch.tensor([len(pack) for pack in self.packs])[chosen]
        at = (every.rand(dtype=torch.float64) * lengths).long()
        self._drawn = chosen, at
        chosen, at = chosen[draws.places], at[draws.places]
        drawn = self.pixels[0].new_empty(len(draws), *self.pixels[0].shape[1:])
        # One gather a pack instead of one copy a picture: a GPU waits for launches, not for bytes.
        for index, pixels in enumerate(self.pixels):
            places = (chosen == index).nonzero().flatten()
            drawn[places.to(drawn.device)] = pixels[at[places].to(drawn.device)]
        return drawn

    def drawn(self) -> list[str]:
        """Names of the pictures that all processes drew last, each once, with their pack's."""
        pairs = zip(*(part.tolist() for part in self._drawn), strict=True)
        packs = ((self.packs[which], place) for which, place in pairs)
        return list(dict.fromkeys(f"{pack.source}: {pack.names[place]}" for pack, place in packs))

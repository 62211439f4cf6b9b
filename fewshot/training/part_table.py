"""Rows of the drawings by the part of the face that they were taken from: hair for hair, skin for skin."""

from __future__ import annotations

import torch
from torch import Tensor

from eval.face_parsing import PARTS
from fewshot.data.draws import Rng, rand

LEAST = 6
"""Rows of a part that one drawing must have to stand for it alone: less is an accident of the parser."""


class PartTable:
    """Where the rows of each part lie.

    Args:
        parts: number of the part of each row `(N, R)`, for N drawings; -1 for rows that stand for none.
    """

    def __init__(self, parts: Tensor) -> None:
        count, rows = parts.shape
        drawing = torch.arange(count)[:, None] * len(PARTS)
        self.total = count * rows
        # What stands for no part goes into a list behind all others, which nobody asks for.
        last = count * len(PARTS)
        self.of_each = _Lists(torch.where(parts < 0, last, drawing + parts).flatten(), last)
        self.of_all = _Lists(torch.where(parts < 0, len(PARTS), parts).flatten(), len(PARTS))

    def choose(self, parts: Tensor, drawings: Tensor | None, rng: Rng) -> Tensor:
        """A random row for each wanted part.

        Args:
            parts: numbers of the parts `(B, K)`, on the CPU.
            drawings: which drawing each line of `parts` is to be served from `(B,)`, or each part of it
                `(B, P)`; None for any.
            rng: chooses the rows.

        Returns:
            Places in the flattened `(N * R)` rows, `(B, K)`: of the drawing's own part, or if it has hardly
            any (closed eyes, a bald head) of any drawing's, or if none has it any row at all.
        """
        numbers = rand(rng, *parts.shape)
        anywhere = torch.where(
            self.of_all.count[parts] > 0, self.of_all.pick(parts, numbers), (numbers * self.total).long()
        )
        if drawings is None:
            return anywhere
        of_each = drawings[:, None] if drawings.ndim == 1 else drawings.gather(1, parts)
        lists = of_each * len(PARTS) + parts
        return torch.where(self.of_each.count[lists] >= LEAST, self.of_each.pick(lists, numbers), anywhere)


class _Lists:
    """Places of equal keys, one list after the other."""

    def __init__(self, keys: Tensor, kinds: int) -> None:
        self.order = keys.argsort(stable=True)
        self.count = torch.bincount(keys, minlength=kinds + 1)
        self.start = self.count.cumsum(0) - self.count

    def pick(self, keys: Tensor, shares: Tensor) -> Tensor:
        """The place at that share of each key's list; of an empty list something."""
        place = self.start[keys] + (shares * self.count[keys]).long()
        return self.order[place.clamp_max(len(self.order) - 1)]

"""Random numbers for the pictures of a batch, however many processes share it.

Each process draws the numbers of the whole batch and keeps those of its own places: what happens to a picture
then depends on its place in the batch, and not on which process has it or how many are computed at once.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Draws:
    """Random numbers for some places of a batch.

    Args:
        generator: CPU generator, the same in every process; further calls go on with it.
        total: pictures in the whole batch.
        places: which of them are here, int64; None: all.
    """

    def __init__(self, generator: torch.Generator, total: int, places: Tensor | None = None) -> None:
        self.shared, self.total = generator, total
        self.places = torch.arange(total) if places is None else places

    def __len__(self) -> int:
        return len(self.places)

    def rand(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Uniform numbers in [0, 1) for each picture here, `(len(self), *shape)`."""
        return torch.rand(self.total, *shape, generator=self.shared, dtype=dtype)[self.places]

    def randint(self, high: int, *shape: int) -> Tensor:
        """Whole numbers from 0 to below `high` for each picture here, `(len(self), *shape)`."""
        return torch.randint(0, high, (self.total, *shape), generator=self.shared)[self.places]

    def choose(self, chances: Tensor) -> Tensor:
        """An index into `chances` for each picture here, as often as that says, `(len(self),)`."""
        return torch.multinomial(chances, self.total, replacement=True, generator=self.shared)[self.places]


Rng = torch.Generator | Draws
"""Where random numbers come from: for a batch that is all here a generator will do."""


def rand(rng: Rng | None, count: int, *shape: int) -> Tensor:
    """Uniform numbers in [0, 1) for each of `count` pictures, on the CPU; None: torch's own generator."""
    if isinstance(rng, Draws):
        return rng.rand(*shape)
    return torch.rand(count, *shape, generator=rng)


def randint(rng: Rng, high: int, count: int, *shape: int) -> Tensor:
    """Whole numbers from 0 to below `high` for each of `count` pictures, on the CPU."""
    if isinstance(rng, Draws):
        return rng.randint(high, *shape)
    return torch.randint(0, high, (count, *shape), generator=rng)


def shared(rng: Rng) -> torch.Generator:
    """For numbers that all pictures of a batch have in common."""
    return rng.shared if isinstance(rng, Draws) else rng


def alike(rng: Rng, count: int, size: int) -> list[tuple[slice, float]]:
    """Runs of the `count` pictures here that are treated alike, each with its own number in [0, 1).

    Args:
        size: neighbouring places of the whole batch that share a number.
    """
    draws = rng if isinstance(rng, Draws) else Draws(rng, count)
    numbers = torch.rand(-(-draws.total // size), generator=draws.shared)
    groups, lengths = (draws.places // size).unique_consecutive(return_counts=True)
    ends = lengths.cumsum(0).tolist()
    runs = zip([0, *ends], ends, strict=False)
    return [(slice(*run), float(numbers[group])) for run, group in zip(runs, groups, strict=True)]

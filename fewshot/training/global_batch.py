"""The pictures of one update, shared by all processes and computed a few at a time (gradient accumulation).

A recipe's `batch` is that of an update, however it is computed: places 0 to `total` - 1 are shared out, each
process takes its share in pieces that fit into memory (micro-batches), gradients add up over the pieces and
are averaged over the processes. Losses that are means over pictures only need weights for that. A loss that
looks at the batch as a whole gets the rows of all pictures, its own with their gradient (`Join`); with
several pieces these rows are computed beforehand, without gradients (GradCache, arXiv 2101.06983).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor

from fewshot.data.draws import Draws
from fewshot.training.launch import check_share
from fewshot.training.parts import step_generator


class Choice(IntEnum):
    """What a step draws random numbers for; each has its own, so that pieces of a batch draw them again."""

    PICTURES = 0
    GENERATORS = 1
    POOLS = 2
    DISCRIMINATORS = 3


class GlobalBatch:
    """How the places of a batch are shared out.

    Args:
        accelerator: an `accelerate.Accelerator`.
        total: pictures in each update, over all processes.
        at_once: pictures that a process computes at once; None: its whole share.

    Raises:
        UsageError: there are more processes than pictures.
    """

    def __init__(self, accelerator: Any, total: int, at_once: int | None = None) -> None:
        self.accelerator, self.total = accelerator, total
        processes, rank = accelerator.num_processes, accelerator.process_index
        check_share(total, processes)
        bounds = [number * total // processes for number in range(processes + 1)]
        self.places = torch.arange(*bounds[rank : rank + 2])
        """Those of this process."""
        self.largest = -(-total // processes)
        self.at_once = min(at_once or self.largest, self.largest)
        shares = torch.tensor(bounds).diff()
        # Shares are gathered at equal lengths; these are the rows that count.
        self._kept = (torch.arange(self.largest)[None] < shares[:, None]).flatten().nonzero().flatten()

    @property
    def in_pieces(self) -> bool:
        """Whether any process takes its share in more than one piece: the same in every process."""
        return self.at_once < self.largest

    def in_pieces_of(self, at_once: int) -> None:
        """Go on in the pieces of an earlier call, which round alike, unless there is less memory now.

        Args:
            at_once: pictures at once then; 0 where there were no pieces.
        """
        if at_once:
            self.at_once = min(at_once, self.at_once)

    def pieces(self) -> Iterator[slice]:
        """Parts of this process's share, in its own numbering."""
        for start in range(0, len(self.places), self.at_once):
            yield slice(start, min(start + self.at_once, len(self.places)))

    def draws(self, *position: int, piece: slice | None = None) -> Draws:
        """Random numbers for this process's pictures, or a piece of them.

        Args:
            position: seed, then what tells this draw from all others, such as the step and a `Choice`.
        """
        places = self.places if piece is None else self.places[piece]
        return Draws(step_generator(*position), self.total, places)

    def backward(self, losses: dict[str, Tensor], piece: slice, sums: dict[str, Tensor]) -> None:
        """Add a piece's gradients, and its losses to `sums`, by the piece's weight."""
        weight = self.weight(piece)
        self.accelerator.backward(weight * torch.stack(list(losses.values())).sum())
        for name, value in losses.items():
            sums[name] = sums.get(name, 0) + weight * value.detach()

    def weight(self, piece: slice) -> float:
        """What a mean over this piece counts, such that the mean over processes of the sum over their pieces
        is the mean over all pictures."""
        return (piece.stop - piece.start) * self.accelerator.num_processes / self.total

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all places `(total, ...)` from each process's own; without gradients."""
        rows = rows.detach()
        if self.accelerator.num_processes == 1:
            return rows
        missing = self.largest - len(rows)
        padded = torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows
        return self.accelerator.gather(padded.contiguous())[self._kept.to(rows.device)]

    def mean(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Each number's mean over processes, the same in all of them."""
        if self.accelerator.num_processes == 1 or not values:
            return values
        numbers = torch.stack([value.detach().float() for value in values.values()])
        return dict(zip(values, self.accelerator.reduce(numbers, reduction="mean"), strict=True))


class Join:
    """Rows of a piece's pictures, joined by those of all others in the batch.

    Args:
        batch: the batch; None: the pictures are all there is.
        piece: part of this process's share that is being computed.
        known: what `Rehearsal` found of all pictures; None asks the other processes.
    """

    def __init__(
        self,
        batch: GlobalBatch | None = None,
        piece: slice | None = None,
        known: list[Tensor] | None = None,
    ) -> None:
        self.batch, self.piece = batch, piece
        self._known = None if known is None else iter(known)

    def __call__(self, rows: Tensor) -> Tensor:
        """Rows of all pictures `(total, ...)` from those of this piece; gradients reach these alone.

        Their gradient is as much larger as the piece's losses weigh less (`GlobalBatch.weight`), so that each
        picture gets the gradient of the whole batch's loss.
        """
        batch, piece = self.batch, self.piece
        if batch is None or piece is None or len(rows) == batch.total:
            return rows
        everyone = batch.gather(rows) if self._known is None else next(self._known)
        if not rows.requires_grad:
            return everyone
        own = rows.detach() + batch.total / len(rows) * (rows - rows.detach())
        first = int(batch.places[piece.start])
        return torch.cat([everyone[:first], own, everyone[first + len(rows) :]])


ALONE = Join()
"""Where the pictures at hand are the whole batch."""


class Rehearsal(Join):
    """Notes the rows that losses would join; run over all pieces without gradients before the first one."""

    def __init__(self, batch: GlobalBatch) -> None:
        super().__init__()
        self._whole, self._asked, self._notes = batch, 0, list[list[Tensor]]()

    def next_piece(self) -> None:
        """The losses begin anew, with the next pictures."""
        self._asked = 0

    def __call__(self, rows: Tensor) -> Tensor:
        if self._asked == len(self._notes):
            self._notes.append([])
        self._notes[self._asked].append(rows.detach())
        self._asked += 1
        return rows

    def all_rows(self) -> list[Tensor]:
        """Of all pictures, in the order in which the losses ask for them."""
        return [self._whole.gather(torch.cat(notes)) for notes in self._notes]

"""The pictures of one step of an adaptation: which photos and drawings, and how they are seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.data.augment import jitter, photographic, random_crop_flip, to_float
from fewshot.data.draws import Draws, Rng
from fewshot.training.global_batch import Choice, GlobalBatch
from fewshot.training.parts import step_generator
from fewshot.training.sources import Sources

_JITTER = 0.1


@dataclass(frozen=True)
class Shown:
    """One process's pictures of a step."""

    photos: Tensor
    """Float `(B, 3, S, S)` in [-1, 1] on the device."""
    reals: Tensor
    """Drawings, likewise."""
    targets: Tensor | None
    """Index of the drawing that each photo's result, `(B,)`, or each part of it, `(B, P)`, is compared with;
    None: with all."""
    parts: Tensor | None
    """What the face parser finds in the photos `(B, P, h, w)`."""
    real_parts: Tensor | None
    """The same of the drawings."""

    def part(self, piece: slice) -> Shown:
        """Some of them."""
        return Shown(**{k: None if v is None else v[piece] for k, v in vars(self).items()})  # type: ignore[arg-type]


class Pictures:
    """Draws and prepares them.

    Args:
        drawings: training drawings, uint8 `(N, 3, S, S)`.
        sources: photos.
        targets: from `matching.targets_of`, or None.
        batch: whose places they have.
        seed: of all choices.
        parse: finds parts in pictures in [-1, 1], told which are drawings or made of them by bools `(B,)`;
            gives None where there is no parser.
        device: where the pictures go.
    """

    def __init__(
        self,
        drawings: Tensor,
        sources: Sources,
        targets: Tensor | None,
        batch: GlobalBatch,
        seed: int,
        parse: Callable[[Tensor, Tensor], Tensor | None],
        device: torch.device,
    ) -> None:
        self.drawings, self.sources, self.targets = drawings, sources, targets
        self.batch, self.seed, self.parse, self.device = batch, seed, parse, device

    def of(self, step: int) -> Shown:
        """This process's pictures."""
        draws = self.batch.draws(self.seed, step, Choice.PICTURES)
        which, drawn = self._chosen(draws)
        photos, reals = self._photos(which, draws), self._windows(self.drawings, drawn, draws)
        targets = None if self.targets is None else self.targets[which]
        made = (which < self.sources.made).to(self.device)
        every = torch.ones_like(made)
        return Shown(photos, reals, targets, self.parse(photos, made), self.parse(reals, every))

    def chosen(self, step: int) -> tuple[list[int], list[int]]:
        """Which photos and which drawings all processes are shown."""
        draws = Draws(step_generator(self.seed, step, Choice.PICTURES), self.batch.total)
        photos, drawings = self._chosen(draws)
        return photos.tolist(), drawings.tolist()

    def _chosen(self, draws: Draws) -> tuple[Tensor, Tensor]:
        return draws.randint(len(self.sources.photos)), draws.randint(len(self.drawings))

    def _photos(self, which: Tensor, draws: Draws) -> Tensor:
        """Photos as they are seen: what netG_B made of drawings gets the variety that others have already."""
        photos = self._windows(self.sources.photos, which, draws)
        shown = jitter(photos, _JITTER, draws)
        made = (which < self.sources.made).to(photos.device)
        if self.sources.made:
            shown = torch.where(made[:, None, None, None], photographic(photos, draws), shown)
        return shown.contiguous(memory_format=torch.channels_last)

    def _windows(self, pixels: Tensor, which: Tensor, draws: Draws) -> Tensor:
        """Random windows of the chosen pictures, float in [-1, 1] on the device."""
        windows = shifted(pixels[which], draws).to(self.device)
        return to_float(windows).contiguous(memory_format=torch.channels_last)


def shifted(pixels: Tensor, rng: Rng) -> Tensor:
    """Each uint8 picture `(B, C, S, S)` moved by up to a sixteenth of the side, half of them mirrored."""
    side = pixels.shape[-1]
    padded = F.pad(pixels.float(), (side // 16,) * 4, mode="reflect").to(torch.uint8)
    return random_crop_flip(padded, side, rng)

"""Source photos of an adaptation: the user's own, or pseudo-photos that netG_B makes from drawings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from base_models.checkpoint import BaseModel
from fewshot.data.augment import photographic, to_float, to_uint8
from fewshot.data.packs import load_pack
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_folder, sample_hands

_SAMPLES_PER_HAND = 12
_MAX_PHOTOS = 2000
"""Photos kept in memory, 0.4 GB at 256 px; an adaptation of a few hundred steps sees no more."""


@dataclass(frozen=True)
class Sources:
    """What netG_A is shown while it learns the style, all uint8 at the base's size."""

    photos: Tensor
    """`(M, 3, S, S)`: source photos, real or pseudo, that no drawing of the validation fold went into."""
    pairs: Tensor
    """`(N, 3, S, S)`: pseudo-photo of each training drawing, in the drawings' order."""
    held: Tensor
    """`(K, 3, S, S)`: photos kept for the validation score, never trained on."""
    origin: str
    """Where the photos came from, in words."""
    pseudo: bool
    """Whether netG_B made them: then they are shown with the variety that real photos have."""


def make_sources(base: BaseModel, train: StyleSet, fold: StyleSet | None, photos: Path | None) -> Sources:
    """Collect the source photos.

    With a folder or archive of photos, every fifth is kept for validation. Without, netG_B turns into
    pseudo-photos the artist's drawings and the shipped sample drawings, which bring faces the artist never
    drew; the validation photos come from the fold and from samples that are not trained on.
    """
    pairs = pseudo_photos(base, train.tensor())
    if photos is not None:
        pixels = torch.from_numpy(load_pack(photos, train.size, limit=_MAX_PHOTOS).pixels)
        if len(pixels) == 1:
            return Sources(pixels, pairs, pixels, f"one photo of {photos.name}", False)
        held = torch.arange(len(pixels)) % 5 == 4 if len(pixels) >= 5 else torch.arange(len(pixels)) == 0
        return Sources(
            pixels[~held], pairs, pixels[held][:32], f"{len(pixels)} photos of {photos.name}", False
        )
    faces = []
    own = {*train.hashes, *(fold.hashes if fold is not None else ())}
    for hand in sample_hands():
        drawings = StyleSet.from_folder(sample_folder(hand), size=train.size)
        # A sample hand that is being learned brings no faces: its other drawings measure it.
        if not own & set(drawings.hashes):
            faces.append(pseudo_photos(base, drawings.tensor()[::2][:_SAMPLES_PER_HAND]))
    trained = torch.cat([pairs, *(f[: _SAMPLES_PER_HAND * 2 // 3] for f in faces)])
    held_parts = [f[_SAMPLES_PER_HAND * 2 // 3 :] for f in faces]
    if fold is not None:
        held_parts.insert(0, pseudo_photos(base, fold.tensor()))
    held = to_float(torch.cat(held_parts)[:32])
    held = to_uint8(photographic(held, torch.Generator().manual_seed(0)))
    return Sources(trained, pairs, held, "pseudo-photos by netG_B", True)


@torch.inference_mode()
def pseudo_photos(base: BaseModel, drawings: Tensor, batch: int = 16) -> Tensor:
    """netG_B of drawings, uint8 `(N, 3, S, S)` to uint8 of the same shape."""
    device = next(base.netG_B.parameters()).device
    parts = [to_uint8(base.netG_B(to_float(part.to(device)))).cpu() for part in drawings.split(batch)]
    return torch.cat(parts).clone()

"""Source photos of an adaptation: the user's own, or pseudo-photos that netG_B makes from drawings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from base_models.checkpoint import BaseModel
from fewshot.data.augment import photographic, to_float, to_uint8
from fewshot.data.packs import load_pack
from fewshot.data.pictures import list_pictures, open_picture
from fewshot.data.style_set import StyleSet
from fewshot.inference.framing import frame
from fewshot.output import warn
from fewshot.samples import snapshot_folder

_HELD_SNAPSHOTS = 24
"""Snapshots that are kept for the validation score."""
_HELD = 32
"""Photos that are kept for it at most."""
_CLOSE = (0.08, 0.055, 0.92, 0.895)
"""Left, top, right, bottom of the part of a snapshot that is shown, in sides: by the parser skin fills 0.23
of the whole, 0.29 of the part and 0.35 of a selfie. Cut more closely, they are no nearer to selfies (KID)."""
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
    made: int = 0
    """How many of the first photos netG_B made: those are shown with the variety that others have already."""


def make_sources(base: BaseModel, train: StyleSet, fold: StyleSet | None, photos: Path | None) -> Sources:
    """Collect the source photos.

    With a folder or archive of photos, every fifth is kept for validation; the shipped snapshots, which have
    the light, the grain and the backgrounds of photos and no outline to copy, take the places that a few
    photos leave empty. Without photos, they are those snapshots and what netG_B makes of the artist's
    drawings; the validation photos are other snapshots and then what netG_B makes of the fold, 32 in all.
    People come first and are never left out for drawings, however large the fold: they are what a style is
    for, and what previews show.
    """
    pairs, snapshots = pseudo_photos(base, train.tensor()), _snapshots(train.size)
    if photos is not None:
        return _of_user(photos, pairs, snapshots)
    held_parts = [snapshots[-_HELD_SNAPSHOTS:]]
    if fold is not None:
        held_parts.append(_as_photos(pseudo_photos(base, fold.tensor())))
    return Sources(
        torch.cat([pairs, snapshots[:-_HELD_SNAPSHOTS]]),
        pairs,
        torch.cat(held_parts)[:_HELD],
        f"{len(snapshots)} rendered snapshots, {len(pairs)} pseudo-photos by netG_B",
        made=len(pairs),
    )


def _of_user(photos: Path, pairs: Tensor, snapshots: Tensor) -> Sources:
    """The user's photos, cut about faces like `stylize`, and snapshots in the places they leave empty."""
    size = pairs.shape[-1]
    found: list[bool] = []

    def selfie(image: Image.Image) -> Image.Image:
        framed = frame(image)
        found.append(framed.found)
        return framed.image

    own = torch.from_numpy(load_pack(photos, size, limit=_MAX_PHOTOS, frame=selfie).pixels)
    if faceless := found.count(False):
        warn(f"{photos}: no face was found in {faceless} of {len(own)} photos: their middle is used")
    number = torch.arange(len(own))
    held = number % 5 == 4 if len(own) >= 5 else number == 0
    # One alone is both learned on and looked at.
    shown, kept = own[~held] if len(own) > 1 else own, own[held][:_HELD]
    joined = [
        torch.cat([mine, others[len(mine) :]])
        for mine, others in ((shown, snapshots[:-_HELD_SNAPSHOTS]), (kept, snapshots[-_HELD_SNAPSHOTS:]))
    ]
    rendered = sum(map(len, joined)) - len(shown) - len(kept)
    origin = f"{len(own)} photo{'s' * (len(own) > 1)} of {photos.name}"
    return Sources(joined[0], pairs, joined[1], origin + f", {rendered} rendered snapshots" * (rendered > 0))


def _snapshots(size: int) -> Tensor:
    """The shipped snapshots, uint8 `(128, 3, size, size)`, cut about the face."""
    cut = []
    for path in list_pictures(snapshot_folder()):
        picture = open_picture(path)
        left, top, right, bottom = (edge * picture.width for edge in _CLOSE)
        close = picture.resize((size, size), Image.Resampling.LANCZOS, box=(left, top, right, bottom))
        cut.append(np.asarray(close))
    return torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2).contiguous()


def _as_photos(pictures: Tensor) -> Tensor:
    """Pseudo-photos with the variety of photos, the same each time."""
    return to_uint8(photographic(to_float(pictures), torch.Generator().manual_seed(0)))


@torch.inference_mode()
def pseudo_photos(base: BaseModel, drawings: Tensor, batch: int = 16) -> Tensor:
    """netG_B of drawings, uint8 `(N, 3, S, S)` to uint8 of the same shape."""
    device = next(base.netG_B.parameters()).device
    parts = [to_uint8(base.netG_B(to_float(part.to(device)))).cpu() for part in drawings.split(batch)]
    return torch.cat(parts).clone()

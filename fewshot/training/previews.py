"""What a training draws: the same photos again and again, for the eye."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from fewshot.data.augment import to_float, to_uint8
from fewshot.files import atomic_write_bytes
from fewshot.sheets import contact_sheet, png_bytes
from fewshot.training.stage import StageTrainer

_COLUMNS = 8


def style_sheet(drawings: Tensor, photos: Tensor, results: Tensor) -> Image.Image:
    """The first of an artist's drawings, of photos and of their results, all uint8 `(N, 3, S, S)`."""
    rows = [("drawings", drawings), ("photos", photos), ("result", results)]
    return contact_sheet([(name, images[:_COLUMNS].numpy()) for name, images in rows])


@torch.no_grad()
def write_preview(trainer: StageTrainer, photos: Tensor, step: int, folder: Path) -> Path:
    """A grid of photos, what the averaged weights make of them, and the photos they find again.

    Args:
        photos: uint8 `(N, 3, S, S)`, shrunk to the stage's own size.
        step: of the stage, for the file's name.

    Returns:
        The PNG in `folder`.

    Raises:
        BadInputError: the disk is full or the folder cannot be written to.
    """
    size = trainer.size
    seen = F.interpolate(to_float(photos), (size, size), mode="area").to(trainer.accelerator.device)
    with trainer.ema.applied(trainer.G):
        results = trainer.G["A"](seen)
        cycles = trainer.G["B"](results)
    rows = [("photo", seen), ("drawing", results), ("photo again", cycles)]
    sheet = contact_sheet([(name, to_uint8(images).cpu().numpy()) for name, images in rows])
    path = folder / f"stage{trainer.index + 1}-{step:06d}.png"
    atomic_write_bytes(path, png_bytes(sheet))
    return path

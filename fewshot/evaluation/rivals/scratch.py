"""A CycleGAN that knows nothing but the few drawings: what the base's pretraining is worth.

The same generators, discriminators, losses and optimizer settings as `fewshot base train`, from random
weights, on the same drawings and photos and for the same minutes as an adapter gets. Only the discriminators'
augmentation is added (arXiv 2006.10738), without which they learn a few drawings by heart.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from base_models.checkpoint import load_checkpoint
from fewshot.data.loader import Domain
from fewshot.data.packs import Pack
from fewshot.evaluation.rivals.plain import through
from fewshot.evaluation.rivals.rival import Redraw
from fewshot.files import atomic_write_bytes
from fewshot.training.precision import make_accelerator
from fewshot.training.pretrain import Pretraining
from fewshot.training.pretrain_config import AUGMENTATIONS, PretrainConfig
from fewshot.training.sources import pseudo_photos

if TYPE_CHECKING:
    from accelerate import Accelerator

    from base_models.checkpoint import BaseModel

_NEVER = 1e6
"""Minutes between saved states: the run is not resumed."""


def cyclegan(
    drawings: Tensor, base: BaseModel, *, photos: Tensor | None, minutes: float, seed: int
) -> Redraw:
    """Train both directions of the base's architecture from random weights for `minutes`, then redraw.

    Raises:
        UsageError: `minutes` is not above 0.
        KeyboardInterrupt: a stop was asked for: half a rival is none.
    """
    sides = {"photos": photos if photos is not None else pseudo_photos(base, drawings), "drawings": drawings}
    config = PretrainConfig(
        arch=base.name.partition(".")[0],
        minutes=minutes,
        seed=seed,
        augment=AUGMENTATIONS,
        # The drawings come at the size that is drawn, with no margin to cut windows from; tilt moves them.
        margin=1.0,
        save_every=_NEVER,
        preview_every=_NEVER,
    )
    accelerator = make_accelerator()
    with tempfile.TemporaryDirectory(prefix="fewshot-rival-") as folder:
        training = Pretraining(
            config,
            lambda size: (_domain(sides["photos"], size, accelerator), _domain(drawings, size, accelerator)),
            sides["photos"][:1],
            Path(folder),
            accelerator,
            architecture=base.architecture,
        )
        exported = training.run()
        if training.interrupted:
            raise KeyboardInterrupt
        path = Path(folder) / f"{config.arch}.rival.safetensors"
        atomic_write_bytes(path, exported.generators)
        model = load_checkpoint(path)
    model.netG_A.to(accelerator.device)
    return through(model)


def _domain(pictures: Tensor, size: int, accelerator: Accelerator) -> Domain:
    """Pictures uint8 `(N, 3, S, S)` at a stage's size."""
    if pictures.shape[-1] != size:
        shrunk = F.interpolate(pictures.float(), (size, size), mode="bicubic", antialias=True)
        pictures = shrunk.round().clamp(0, 255).to(torch.uint8)
    names = tuple(f"{row:04d}" for row in range(len(pictures)))
    return Domain(
        [Pack("rival", names, np.ascontiguousarray(pictures.cpu().numpy()))], None, accelerator.device
    )

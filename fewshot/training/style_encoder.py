"""Make the shipped style encoder, and measure it on artists that it never saw.

    python -m fewshot.training.style_encoder --teacher squeezenet1_0_imagenet.safetensors --data DIR

1. **Distillation**, on photos and drawings by unknown hands, with and without random recipes: the maps
   regress the teacher's, and so do their channel means and deviations, the diagonal of its Gram matrices. No
   artist enters, so every fold may start from the result.
2. **Contrast** (supervised contrastive loss, arXiv 2004.11362): pictures of one group (an artist, a recipe,
   one picture's views) attract each other and repel the rest. Only the last layer learns: with the backbone
   too, a few artists teach it to forget, and unseen ones are told apart less well (mAP 0.79 for 0.81 in one
   fold, 0.80 for 0.83 in another).
3. **Folds**: step 2 again for each third of the artists left out, measured on those (`style_folds`).

`DIR` holds picture packs (`*.tar`) and `artists/*/train`; held-out pictures are never read. Steps are
counted, not minutes, so a repeat on the same machine gives the same weights.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eval.style_encoder import HEADER, StyleEncoder
from fewshot.files import atomic_write_text
from fewshot.output import notice
from fewshot.training.shipped import parse_settings, save_shipped
from fewshot.training.style_batches import Mixture, Sources, draw_groups, draw_plain, load_sources
from fewshot.training.style_teacher import StyleTeacher


@dataclass(frozen=True)
class Settings:
    """Of one training."""

    distil_steps: int = 700
    """Steps of the distillation."""
    contrast_steps: int = 200
    """Steps of the contrast, for the shipped weights and for each fold."""
    distil_batch: int = 32
    """Views in a step of the distillation."""
    lr: float = 2e-3
    """AdamW's learning rate in the distillation: warm-up of 50 steps, then a cosine to zero."""
    contrast_lr: float = 3e-4
    """The same in the contrast."""
    temperature: float = 0.1
    """Of the contrastive loss."""
    seed: int = 0
    """Of weights, order and views."""


def supervised_contrast(rows: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss, L_out of arXiv 2004.11362 eq. 2.

    Args:
        rows: unit vectors (N, D); every label occurs at least twice.
        labels: group of each row (N,).
        temperature: divides the cosines.
    """
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    logits = (rows @ rows.T / temperature).masked_fill(itself, -math.inf)
    log_share = logits - logits.logsumexp(1, keepdim=True)
    positive = (labels[:, None] == labels) & ~itself
    return -(log_share.masked_fill(~positive, 0).sum(1) / positive.sum(1)).mean()


def distil(sources: Sources, teacher: StyleTeacher, settings: Settings) -> StyleEncoder:
    """Step 1: an encoder whose maps are the teacher's."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    teacher.calibrate([draw_plain(sources, settings.distil_batch, rng) for _ in range(12)])
    encoder = StyleEncoder().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(encoder.parameters(), settings.lr, weight_decay=1e-4)
    for step in range(settings.distil_steps):
        _schedule(optimizer, settings.lr, step, settings.distil_steps)
        images = draw_plain(sources, settings.distil_batch, rng).contiguous(memory_format=torch.channels_last)
        with _mixed():
            maps = encoder.maps(images)
        loss = teacher.loss(maps, images)
        encoder.statistics([m.detach() for m in maps])  # BatchNorm learns what they are.
        _step(optimizer, loss)
        if step % 50 == 0:
            notice(f"distillation {step}/{settings.distil_steps}: loss {loss.item():.3f}")
    return encoder


def contrast(encoder: StyleEncoder, sources: Sources, settings: Settings) -> StyleEncoder:
    """Step 2, on a copy of the encoder: its last layer learns, the maps stay as they are."""
    torch.manual_seed(settings.seed + 1)
    rng = np.random.default_rng(settings.seed + 1)
    encoder = copy.deepcopy(encoder).eval().requires_grad_(False)
    last = (encoder.norm.train().requires_grad_(True), encoder.project.requires_grad_(True))
    weights = [weight for layer in last for weight in layer.parameters()]
    optimizer = torch.optim.AdamW(weights, settings.contrast_lr, weight_decay=1e-2)
    for step in range(settings.contrast_steps):
        _schedule(optimizer, settings.contrast_lr, step, settings.contrast_steps)
        images, labels = draw_groups(sources, Mixture(), rng)
        with _mixed(), torch.no_grad():
            maps = encoder.maps(images.contiguous(memory_format=torch.channels_last))
        loss = supervised_contrast(encoder.embed(maps), labels, settings.temperature)
        _step(optimizer, loss)
        if step % 50 == 0:
            notice(f"contrast {step}/{settings.contrast_steps}: loss {loss.item():.3f}")
    return encoder.eval().requires_grad_(False)


def _mixed() -> torch.autocast:
    """bfloat16 where it is safe: twice as fast on a CPU that has it."""
    return torch.autocast("cpu", torch.bfloat16)


def _schedule(optimizer: torch.optim.Optimizer, lr: float, step: int, steps: int) -> None:
    optimizer.param_groups[0]["lr"] = (
        lr * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
    )


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--teacher", type=Path, required=True, help="SqueezeNet 1.0 weights, torchvision layout"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of picture packs and artists")
    parser.add_argument("--out", type=Path, default=Path("eval/weights/style.safetensors"))
    parser.add_argument(
        "--folds", type=Path, default=Path("style-folds.json"), help="where the folds' figures go"
    )
    parser.add_argument("--cache", type=Path, default=None, help="folder for decoded packs")
    settings, options = parse_settings(parser, Settings())
    sources = load_sources(options["data"], 144, options["cache"])
    notice(", ".join(f"{name} {len(pack)}" for name, pack in sources.artists.items()))
    teacher = StyleTeacher(options["teacher"])
    encoder = distil(sources, teacher, settings)
    from fewshot.training.style_folds import measure_folds

    figures = measure_folds(sources, lambda kept: contrast(encoder, kept, settings))
    atomic_write_text(options["folds"], json.dumps(figures, indent=2) + "\n")
    pictures = sum(len(pack) for pack in (*sources.artists.values(), *sources.packs))
    facts = {"teacher": options["teacher"].name, "pictures": pictures, **asdict(settings)}
    save_shipped(contrast(encoder, sources, settings), options["out"], HEADER, facts)
    notice(f"wrote {options['out']} ({options['out'].stat().st_size / 1e6:.2f} MB) and {options['folds']}")


if __name__ == "__main__":
    main()

"""Make the parser that bases carry: `python -m fewshot.training.photo_parser --data DIR`.

A small network learns what `eval.face_parsing` answers (distillation, arXiv 1503.02531) at the size of a
base's lowest stage, on photos and on rendered snapshots, which adaptation learns on: both are moved, turned,
mirrored and enlarged, and the photos relit. `DIR` holds `photos_256.tar` and `photos_lfw_112.tar`; held-out
photos are never read. Steps are counted, so that a repeat on the same machine gives the same weights.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from base_models.architectures import PARSER_WIDTH, PARTS
from base_models.photo_parser import WEIGHTS, PhotoParser
from base_models.scan import init_weights
from eval.face_parsing import CELLS, FaceParser, load_face_parser
from fewshot.data.augment import relit
from fewshot.data.packs import load_pack
from fewshot.output import notice
from fewshot.samples import SNAPSHOT
from fewshot.samples.draw import draw_one
from fewshot.training.face_parsing import turned_at_random
from fewshot.training.shipped import parse_settings, save_shipped

_STORED, _TAUGHT = 160, 128
"""Side of the stored photos and of what the teacher is shown, px; the student sees half of it."""
_SEED = 78
"""Of the rendered persons: others than ship."""
_HELD = 96
"""Photos that are kept to measure with, the last ones."""


@dataclass(frozen=True)
class Settings:
    """Of one training."""

    steps: int = 2000
    """Updates."""
    batch: int = 24
    """Photos in a step: half of the first pack, a quarter of the second, a quarter snapshots."""
    plans: int = 120
    """Persons that are rendered."""
    lr: float = 3e-3
    """AdamW's largest learning rate, which falls to nothing in a straight line."""
    relit: float = 0.4
    """Share of batches under another light, which only the student sees."""
    seed: int = 0
    """Of weights and order."""


def train(settings: Settings, pools: list[Tensor], held: Tensor) -> PhotoParser:
    """The loop.

    Args:
        settings: what to do.
        pools: photos, uint8 `(N, 3, S, S)` each.
        held: photos that are measured on.
    """
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    teacher, student = load_face_parser(), PhotoParser(PARSER_WIDTH)
    init_weights(student, 0.05)
    answers = [_answers(teacher, pool) for pool in pools]
    optimizer = torch.optim.AdamW(student.parameters(), settings.lr, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 50, 1 - step / settings.steps)
    )
    few = settings.batch // 4
    counts = (settings.batch - 2 * few, few, few)
    for step in range(settings.steps):
        batch = [
            _drawn(pool, known, count, generator)
            for pool, known, count in zip(pools, answers, counts, strict=True)
        ]
        photos, wanted = turned_at_random(torch.cat(batch), generator).split([3, len(PARTS)], 1)
        shown = _shown(photos)
        if torch.rand(1, generator=generator) < settings.relit:
            shown = relit(shown, generator)
        logs = F.log_softmax(student.logits(shown), 1)
        # No part counts more than another: the student would find it where the teacher only doubts.
        loss = -(F.adaptive_avg_pool2d(wanted, CELLS) * logs).sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 199:
            agreed = " ".join(f"{name} {v:.2f}" for name, v in overlap(student, teacher, held).items())
            notice(f"{step + 1}/{settings.steps}: loss {loss.item():.3f}, IoU with the teacher {agreed}")
    return student


def _snapshots(settings: Settings) -> Tensor:
    """Rendered persons, uint8 `(N, 3, S, S)`."""
    made = [draw_one(SNAPSHOT, index, _SEED + settings.seed, _STORED) for index in range(settings.plans)]
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).contiguous()


def _answers(teacher: FaceParser, photos: Tensor) -> Tensor:
    """The teacher's probabilities, float16 `(N, 6, CELLS, CELLS)`."""
    answers = []
    for batch in photos.split(48):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            answers.append(teacher(_seen(batch)).half())
    return torch.cat(answers)


def _drawn(pool: Tensor, known: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Photos in [0, 1] and the answers at their size, as further channels."""
    which = torch.randint(0, len(pool), (count,), generator=generator)
    at_size = F.interpolate(known[which].float(), size=pool.shape[-2:], mode="bilinear")
    return torch.cat([pool[which].float() / 255, at_size], 1)


def overlap(student: PhotoParser, teacher: FaceParser, photos: Tensor) -> dict[str, float]:
    """Intersection over union of each part of the two, on uint8 photos."""
    seen = _seen(photos)
    with torch.inference_mode():
        ours, theirs = student(_shown(seen)).argmax(1), teacher(seen).argmax(1)
    return {
        name: float(((ours == k) & (theirs == k)).sum() / ((ours == k) | (theirs == k)).sum().clamp_min(1))
        for k, name in enumerate(PARTS)
    }


def _seen(photos: Tensor) -> Tensor:
    """What the teacher sees of uint8 photos."""
    return F.interpolate(photos.float() / 255, size=(_TAUGHT, _TAUGHT), mode="area")


def _shown(photos: Tensor) -> Tensor:
    """What the student sees of photos in [0, 1]."""
    return F.avg_pool2d(photos, 2) * 2 - 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of photo packs")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    settings, options = parse_settings(parser, Settings())
    names = ("photos_256", "photos_lfw_112")
    packs = [load_pack(options["data"] / f"{name}.tar", _STORED, limit=3200) for name in names]
    pools = [torch.from_numpy(pack.pixels) for pack in packs]
    pools.append(_snapshots(settings))
    held, pools[0] = pools[0][-_HELD:], pools[0][:-_HELD]
    notice(f"{[len(pool) for pool in pools]} photos to learn on, {len(held)} to measure with")
    net = train(settings, pools, held)
    figures = {name: round(value, 3) for name, value in overlap(net, load_face_parser(), held).items()}
    save_shipped(net, options["out"], "photo_parser", {**asdict(settings), "iou": figures})
    notice(f"wrote {options['out']} ({options['out'].stat().st_size / 1e6:.2f} MB): {json.dumps(figures)}")


if __name__ == "__main__":
    main()

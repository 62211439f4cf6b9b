"""Make the shipped face parser: `python -m fewshot.training.face_parsing --data DIR`.

1. **Rendered portraits** in all sample hands and as snapshots, whose parts are known because they were drawn
   from them, under random turns, colours and filters (domain randomisation, arXiv 1703.06907).
2. In the last third of the steps also **photos and drawings without labels**: the averaged network's
   confident answers on a picture are the labels for the same picture under another look (mean teacher,
   arXiv 1703.01780, with hard labels as in FixMatch, arXiv 2001.07685).

`DIR` holds `photos_256.tar`, `anime_256.tar` and `artists/*/train`; held-out pictures are never read. Only
the head learns; steps are counted, so that a repeat on the same machine gives the same weights.
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from eval.face_parsing import CELLS, HEADER, PARTS, WEIGHTS, FaceParser, FaceParsingHead
from eval.perceptual import load_perceptual
from fewshot.data.augment import relit, turned
from fewshot.data.packs import load_pack
from fewshot.output import notice
from fewshot.samples import SNAPSHOT, sample_hands
from fewshot.samples.face import FacePlan
from fewshot.samples.labels import draw_labelled
from fewshot.training.pseudo_hands import draw_hand
from fewshot.training.shipped import parse_settings, save_shipped

_RENDERED, _SEEN = 160, 128
"""Side of the stored pictures and of what the network is shown, px."""
_WEIGHTS = (1.0, 1.0, 1.5, 1.0, 4.0, 4.0)
"""Of the parts in the loss: eyes and mouths are small."""
_GROUP = 8
"""Pictures under one look."""
_HELD = 12
"""One in so many persons is kept to measure with, the last ones."""


@dataclass(frozen=True)
class Settings:
    """Of one training."""

    plans: int = 240
    """Persons that are rendered, each in every hand and as a snapshot."""
    steps: int = 600
    """Updates."""
    batch: int = 24
    """Rendered portraits in a step; as many pictures without labels, a third of each kind."""
    lr: float = 2e-3
    """AdamW's largest learning rate (one cycle)."""
    confidence: float = 0.9
    """Least probability of an answer that becomes a label. With 0.75, and from the first third on, the dark
    grounds of photos became hair."""
    seed: int = 0
    """Of pictures, weights and order."""


def render(settings: Settings) -> tuple[Tensor, Tensor]:
    """Portraits uint8 `(N, 3, S, S)` and their parts uint8 `(N, S, S)`."""
    pictures, labels = [], []
    for index in range(settings.plans):
        plan = FacePlan.random(np.random.default_rng([settings.seed, 77, index]))
        for place, hand in enumerate((*sample_hands(), SNAPSHOT)):
            drawn = draw_labelled(hand, plan, (settings.seed, 77, index, place), _RENDERED, PARTS)
            pictures.append(drawn[0].transpose(2, 0, 1))
            labels.append(drawn[1])
        if index % 40 == 0:
            notice(f"rendered {index}/{settings.plans}")
    return torch.from_numpy(np.stack(pictures)), torch.from_numpy(np.stack(labels))


def load_unlabelled(data: Path) -> list[Tensor]:
    """Photos, anime faces and the artists' training drawings, uint8 `(N, 3, S, S)` each."""
    packs = [load_pack(data / f"{name}_256.tar", _RENDERED, limit=1500) for name in ("photos", "anime")]
    artists = [load_pack(folder, _RENDERED) for folder in sorted((data / "artists").glob("*/train"))]
    drawings = np.concatenate([pack.pixels for pack in artists])
    return [torch.from_numpy(pixels) for pixels in (*(pack.pixels for pack in packs), drawings)]


def train(settings: Settings, rendered: tuple[Tensor, Tensor], unlabelled: list[Tensor]) -> FaceParser:
    """The loop; returns the parser with the averaged head."""
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    student = FaceParser(load_perceptual(), FaceParsingHead())
    teacher = FaceParser(student.features, copy.deepcopy(student.head).requires_grad_(False))
    optimizer = torch.optim.AdamW(student.head.parameters(), settings.lr, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, settings.steps, pct_start=0.05)
    pictures, labels = (part[: -_kept(part)] for part in rendered)
    for step in range(settings.steps):
        which = torch.randint(0, len(pictures), (settings.batch,), generator=generator)
        loss = _on_rendered(student, pictures[which], labels[which], generator)
        if unlabelled and step >= 2 * settings.steps // 3:
            loss = loss + _on_unlabelled(student, teacher, unlabelled, settings, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        _average(teacher.head, student.head, step)
        if step % 100 == 99:
            shown = " ".join(f"{name} {v:.2f}" for name, v in overlap(teacher, rendered).items())
            notice(f"{step + 1}/{settings.steps}: loss {loss.item():.3f}, IoU {shown}")
    return teacher.eval()


def overlap(parser: FaceParser, rendered: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Intersection over union of each part on the portraits that were kept, which are of other persons."""
    pictures, labels = (part[-_kept(part) :] for part in rendered)
    seen = F.interpolate(pictures.float() / 255, size=(_SEEN, _SEEN), mode="area")
    with torch.inference_mode():
        found, true = parser(seen).argmax(1), _shares(labels).argmax(1)
    return {
        name: float(((found == k) & (true == k)).sum() / ((found == k) | (true == k)).sum().clamp_min(1))
        for k, name in enumerate(PARTS)
    }


def _kept(rendered: Tensor) -> int:
    """How many of the pictures are kept: whole persons, in every manner."""
    manners = len(sample_hands()) + 1
    return manners * max(1, len(rendered) // manners // _HELD)


def _on_rendered(student: FaceParser, pictures: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    both = torch.cat([pictures.float() / 255, _shares(labels, _RENDERED)], 1)
    shown, shares = turned_at_random(both, generator).split([3, len(PARTS)], 1)
    logits = _logits(student, _looked(shown, generator))
    weights = logits.new_tensor(_WEIGHTS).view(1, -1, 1, 1)
    shares = F.adaptive_avg_pool2d(shares, CELLS)
    return -(weights * shares * F.log_softmax(logits, 1)).sum(1).mean()


def _on_unlabelled(
    student: FaceParser,
    teacher: FaceParser,
    pools: list[Tensor],
    settings: Settings,
    generator: torch.Generator,
) -> Tensor:
    count = settings.batch // len(pools)
    parts = [pool[torch.randint(0, len(pool), (count,), generator=generator)] for pool in pools]
    shown = turned_at_random(torch.cat(parts).float() / 255, generator)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        both = teacher(shown) + teacher(shown.flip(-1)).flip(-1)
    confidence, answers = (both / 2).max(1)
    logits = _logits(student, _looked(shown, generator))
    losses = F.cross_entropy(logits, answers, logits.new_tensor(_WEIGHTS), reduction="none")
    return (losses * (confidence > settings.confidence)).mean()


def _logits(parser: FaceParser, images: Tensor) -> Tensor:
    """In bfloat16, which is twice as fast on a CPU that has it; float32 comes back."""
    with torch.autocast("cpu", torch.bfloat16):
        return parser.logits(images).float()


def _average(teacher: torch.nn.Module, student: torch.nn.Module, step: int) -> None:
    """Move the teacher's weights towards the student's, in the beginning faster."""
    decay = min(0.99, (step + 1) / (step + 10))
    with torch.no_grad():
        for mean, new in zip(teacher.parameters(), student.parameters(), strict=True):
            mean.lerp_(new, 1 - decay)


def _shares(labels: Tensor, side: int = CELLS) -> Tensor:
    """Share of each part in each cell, `(B, 6, side, side)`."""
    return F.adaptive_avg_pool2d(F.one_hot(labels.long(), len(PARTS)).permute(0, 3, 1, 2).float(), side)


def turned_at_random(images: Tensor, generator: torch.Generator) -> Tensor:
    """`(B, C, _SEEN, _SEEN)`: moved, turned, mirrored, nearer or further."""
    count = len(images)

    def numbers(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    zoom, angle = numbers(0.65, 1.25), numbers(-0.25, 0.25)
    mirror = torch.where(numbers(0, 1) < 0.5, -1.0, 1.0)
    shift = torch.stack([numbers(-0.25, 0.25), numbers(-0.25, 0.25)], 1)
    return turned(images, zoom, angle, shift, mirror=mirror, size=_SEEN, padding="border")


def _looked(images: Tensor, generator: torch.Generator) -> Tensor:
    """The same pictures in other colours, lights and manners, a few under each look."""
    looks = []
    for part in images.split(_GROUP):
        hand, light, colours, negative = torch.rand(4, generator=generator).tolist()
        shown = draw_hand(generator)(part) if hand < 0.6 else part
        if colours < 0.3:
            mixed = torch.eye(3) + 0.35 * torch.randn(3, 3, generator=generator)
            shown = torch.einsum("ij,bjhw->bihw", mixed, shown - 0.5) + 0.5
        shown = 1 - shown if negative < 0.15 else shown
        shown = shown.clamp(0, 1)
        looks.append(relit(shown * 2 - 1, generator) / 2 + 0.5 if light < 0.5 else shown)
    return torch.cat(looks)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of picture packs and artists")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    settings, options = parse_settings(parser, Settings())
    unlabelled = load_unlabelled(options["data"])
    notice(f"{[len(pool) for pool in unlabelled]} photos, anime faces and drawings without labels")
    rendered = render(settings)
    net = train(settings, rendered, unlabelled)
    figures = {name: round(value, 3) for name, value in overlap(net, rendered).items()}
    save_shipped(net.head, options["out"], HEADER, {**asdict(settings), "iou": figures})
    notice(f"wrote {options['out']} ({options['out'].stat().st_size / 1e6:.2f} MB): {json.dumps(figures)}")


if __name__ == "__main__":
    main()

"""Make the shipped perceptual network: regress our own small net onto SqueezeNet's feature maps.

    python -m fewshot.training.distill --teacher squeezenet1_0_imagenet.safetensors --data DIR --minutes 15

`DIR` holds picture packs (`*.tar`) and `artists/*/train` folders; held-out pictures are never read. The
student learns the teacher's channels at unit variance: squared error of each map, plus that of each channel's
mean and standard deviation over the picture, because those are what the style loss compares. When the student
is folded for shipping, the channels get back their relative strength, each layer scaled to a standard
deviation of one.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from eval.perceptual import LAYERS, PerceptualNet, style_statistics
from fewshot.data.packs import Pack, load_pack
from fewshot.output import notice
from fewshot.training.shipped import save_shipped

_TEACHER_LAYERS = (1, 4, 7, 9)


class Teacher(nn.Module):
    """SqueezeNet 1.0 up to fire7, from a file in torchvision's layout.

    `forward` takes RGB `(B, 3, H, W)` in [0, 1] and returns the maps of relu1, fire3, fire5, fire7.
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        from torchvision.models import squeezenet1_0

        net = squeezenet1_0(weights=None)
        net.load_state_dict(load_file(weights))
        self.features = net.features[: _TEACHER_LAYERS[-1] + 1].eval().requires_grad_(False)
        for module in self.features.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
        student = PerceptualNet()
        self.mean, self.std = student.mean, student.std

    def forward(self, images: Tensor) -> list[Tensor]:
        x = (images - self.mean) / self.std
        maps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _TEACHER_LAYERS:
                maps.append(x)
        return maps


def load_sources(data: Path, size: int, cache: Path | None) -> list[Pack]:
    """Every pack and every artist's train folder below `data`, held-out pictures left out."""
    archives = [path for path in sorted(data.glob("*.tar")) if "facades" not in path.name]
    folders = sorted((data / "artists").glob("*/train"))
    return [load_pack(path, size, cache=cache) for path in [*archives, *folders]]


def draw_batch(packs: list[Pack], weights: np.ndarray, count: int, rng: np.random.Generator) -> Tensor:
    """A batch in [0, 1], augmented towards what a generator in training shows: blends, noise, blur."""
    chosen = rng.choice(len(packs), count, p=weights)
    pixels = np.stack([packs[i].pixels[rng.integers(len(packs[i]))] for i in chosen])
    images = torch.from_numpy(pixels).float() / 255
    crop = int(rng.integers(80, images.shape[-1] + 1))
    top, left = (int(rng.integers(images.shape[-1] - crop + 1)) for _ in range(2))
    images = images[..., top : top + crop, left : left + crop]
    if rng.random() < 0.5:
        images = images.flip(-1)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))

    def per_picture(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.rand(count, channels, 1, 1, generator=generator) * (high - low) + low

    images = (images - 0.5) * per_picture(0.7, 1.3) + 0.5 + per_picture(-0.12, 0.12, 3)
    blend = (per_picture(0, 1) < 0.25) * per_picture(0.2, 0.8)
    images = images * (1 - blend) + images.roll(1, 0) * blend
    noise = (per_picture(0, 1) < 0.2) * per_picture(0, 0.12)
    images = images + noise * torch.randn(images.shape, generator=generator)
    blurred = F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    return torch.where(per_picture(0, 1) < 0.2, blurred, images).clamp(0, 1)


@dataclass(frozen=True)
class Scales:
    """What the teacher's channels and statistics vary by, measured on a few fixed batches."""

    channels: list[Tensor]
    """Standard deviation of each channel over all positions, per layer, floored at 5 % of the layer's."""
    layers: list[float]
    """Standard deviation of each whole layer."""
    statistics: list[Tensor]
    """Variance over pictures of each style statistic of the unit-variance maps, per layer."""


def measure_scales(teacher: Teacher, batches: list[Tensor]) -> Scales:
    """Measure the teacher's scales on `batches` of RGB pictures in [0, 1]."""
    maps = [teacher(batch) for batch in batches]
    layers = [torch.cat([m[i].transpose(0, 1).flatten(1) for m in maps], 1) for i in range(len(LAYERS))]
    whole = [float(layer.std()) for layer in layers]
    channels = [layer.std(1).clamp_min(0.05 * scale) for layer, scale in zip(layers, whole, strict=True)]
    statistics = [style_statistics(normalise(m, channels)) for m in maps]
    variances = [torch.cat([s[i] for s in statistics]).var(0).clamp_min(1e-2) for i in range(len(LAYERS))]
    return Scales(channels, whole, variances)


def normalise(maps: list[Tensor], scales: list[Tensor]) -> list[Tensor]:
    """Divide each channel by its scale."""
    return [m.float() / scale.view(1, -1, 1, 1) for m, scale in zip(maps, scales, strict=True)]


def restore_strength(net: PerceptualNet, scales: Scales) -> PerceptualNet:
    """Give the channels their relative strength back, inside the heads (ReLU keeps positive factors)."""
    state = net.heads.state_dict()
    for index, (channels, layer) in enumerate(zip(scales.channels, scales.layers, strict=True)):
        factor = channels / layer
        state[f"{index}.weight"].mul_(factor.view(-1, 1, 1, 1))
        state[f"{index}.bias"].mul_(factor)
    return net


def centred_cosine(ours: Tensor, theirs: Tensor) -> float:
    """Mean cosine over positions between mean-centred feature vectors."""
    centre = theirs.mean((0, 2, 3), keepdim=True)
    return float(F.cosine_similarity(ours - centre, theirs - centre, dim=1).mean())


def distill(
    teacher: Teacher, packs: list[Pack], minutes: float, seed: int, batch: int, lr: float
) -> PerceptualNet:
    """Train for `minutes` with AdamW, the learning rate warming up and decaying to zero by the clock."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    weights = np.array([math.sqrt(len(pack)) for pack in packs])
    weights /= weights.sum()
    fixed = [draw_batch(packs, weights, batch, np.random.default_rng(seed + 1 + i)) for i in range(12)]
    fixed = [F.interpolate(images, (112, 112), mode="bilinear", antialias=True) for images in fixed]
    scales = measure_scales(teacher, fixed)
    student = PerceptualNet(batch_norm=True).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(student.parameters(), lr=lr, weight_decay=1e-4)
    start, step, report = time.monotonic(), 0, 0.0
    while (elapsed := (time.monotonic() - start) / 60) < minutes:
        progress = elapsed / minutes
        decay = 0.5 + 0.5 * math.cos(math.pi * progress)
        optimizer.param_groups[0]["lr"] = lr * min(1.0, step / 50) * decay
        images = draw_batch(packs, weights, batch, rng).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                theirs = normalise(teacher(images), scales.channels)
            ours = [m.float() for m in student(images)]
        loss = torch.zeros(())
        for i, (o, t) in enumerate(zip(style_statistics(ours), style_statistics(theirs), strict=True)):
            moments = (o - t).square().mean(0) / scales.statistics[i]
            loss = loss + F.mse_loss(ours[i], theirs[i]) + 0.3 * moments.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        if elapsed > report:
            report = elapsed + 1
            student.eval()
            with torch.no_grad():
                pairs = [(student(x), normalise(teacher(x), scales.channels)) for x in fixed[:3]]
            cosines = [np.mean([centred_cosine(o[i], t[i]) for o, t in pairs]) for i in range(len(LAYERS))]
            student.train()
            shown = " ".join(f"{name} {value:.3f}" for name, value in zip(LAYERS, cosines, strict=True))
            notice(f"{elapsed:5.1f} min, {step * batch} pictures, loss {loss.item():.3f}, cosine {shown}")
    return restore_strength(student.eval().fold(), scales)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--teacher", type=Path, required=True, help="SqueezeNet 1.0 weights, torchvision layout"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of picture packs and artists")
    parser.add_argument("--out", type=Path, default=Path("eval/weights/perceptual.safetensors"))
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--size", type=int, default=128, help="side of the decoded pictures, px")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=None, help="folder for decoded packs")
    options = parser.parse_args()
    packs = load_sources(options.data, options.size, options.cache)
    notice(", ".join(f"{pack.source} {len(pack)}" for pack in packs))
    net = distill(Teacher(options.teacher), packs, options.minutes, options.seed, options.batch, options.lr)
    facts = {
        "teacher": options.teacher.name,
        "pictures": sum(map(len, packs)),
        "minutes": options.minutes,
        "seed": options.seed,
    }
    save_shipped(net, options.out, "perceptual", facts)
    notice(f"wrote {options.out} ({options.out.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()

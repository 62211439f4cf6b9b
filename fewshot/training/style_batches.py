"""What the style encoder learns from: groups of pictures that share a hand.

Three kinds of groups stand in every batch. Drawings of one artist; unrelated pictures under one random recipe
of filters (`pseudo_hands`); and views of one anime picture, whose own hand is unknown but the same in each.
Views keep the style: crops, mirror images, a slight turn, a little light and blur, never colours or strokes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.data.augment import turned
from fewshot.data.packs import Pack, load_pack
from fewshot.training.pseudo_hands import draw_hand

SIZE = 112
"""Side of the views, px: below the encoder's 128, so that strokes of a crop are as wide as there."""
_DRAWN = "anime"


@dataclass(frozen=True)
class Sources:
    """Pictures to learn from; held-out ones are in none of them."""

    artists: dict[str, Pack]
    """Drawings by the name of their artist."""
    packs: tuple[Pack, ...]
    """Photos and drawings by unknown hands."""

    def without(self, names: tuple[str, ...]) -> Sources:
        """The same without some artists, for a fold that must never have seen them."""
        return Sources({name: pack for name, pack in self.artists.items() if name not in names}, self.packs)


@dataclass(frozen=True)
class Mixture:
    """Groups in a batch; each has `views` pictures."""

    artists: int = 6
    """Groups of one artist's drawings; at most as many as there are artists."""
    pseudo: int = 8
    """Groups of unrelated pictures under one recipe."""
    single: int = 4
    """Groups of views of one drawing by an unknown hand."""
    views: int = 4
    """Pictures in a group."""


def load_sources(data: Path, size: int, cache: Path | None) -> Sources:
    """Every pack and every artist's train folder below `data`; `load_pack` leaves held-out pictures out.

    Raises:
        NotFoundError, BadInputError: as `load_pack`.
    """
    archives = [path for path in sorted(data.glob("*.tar")) if "facades" not in path.name]
    folders = sorted((data / "artists").glob("*/train"))
    return Sources(
        {folder.parent.name: load_pack(folder, size, cache=cache) for folder in folders},
        tuple(load_pack(path, size, cache=cache) for path in archives),
    )


def draw_plain(sources: Sources, count: int, rng: np.random.Generator) -> Tensor:
    """Views `(count, 3, SIZE, SIZE)` of the packs alone, half under a recipe, for the distillation."""
    pictures = _from_packs(sources.packs, count, rng)
    pieces = [_views(pictures[i : i + 4], rng) for i in range(0, count, 4)]
    return torch.cat([_under_recipe(piece, rng) if i % 2 else piece for i, piece in enumerate(pieces)])


def draw_groups(sources: Sources, mixture: Mixture, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A batch of views `(N, 3, SIZE, SIZE)` in [0, 1] and the number of each one's group `(N,)`."""
    names = list(sources.artists)
    chosen = rng.choice(len(names), min(mixture.artists, len(names)), replace=False)
    groups = []
    for name in (names[i] for i in chosen):
        pixels = sources.artists[name].pixels
        rows = rng.choice(len(pixels), mixture.views, replace=len(pixels) < mixture.views)
        groups.append(_views(pixels[rows], rng))
    for _ in range(mixture.pseudo):
        groups.append(_under_recipe(_views(_from_packs(sources.packs, mixture.views, rng), rng), rng))
    drawn = tuple(pack for pack in sources.packs if pack.source.startswith(_DRAWN))
    for _ in range(mixture.single if drawn else 0):
        picture = _from_packs(drawn, 1, rng)
        groups.append(_views(np.repeat(picture, mixture.views, 0), rng))
    labels = torch.arange(len(groups)).repeat_interleave(mixture.views)
    return torch.cat(groups), labels


def _from_packs(packs: tuple[Pack, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 `(count, 3, S, S)`, a pack drawn for each picture."""
    chosen = (packs[i] for i in rng.integers(len(packs), size=count))
    return np.stack([pack.pixels[rng.integers(len(pack))] for pack in chosen])


def _under_recipe(views: Tensor, rng: np.random.Generator) -> Tensor:
    return draw_hand(torch.Generator().manual_seed(int(rng.integers(2**62))))(views)


def _views(pixels: np.ndarray, rng: np.random.Generator) -> Tensor:
    """One view of each uint8 picture `(K, 3, S, S)`."""
    images = torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255
    count = len(images)

    def numbers(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, count).astype(np.float32))

    zoom, turn = numbers(0.6, 1.0), numbers(-0.15, 0.15)
    mirror = torch.from_numpy(rng.choice([-1.0, 1.0], count).astype(np.float32))
    shift = torch.stack([(1 - zoom) * numbers(-1, 1) for _ in range(2)], 1)
    images = turned(images, zoom, turn, shift, mirror=mirror, size=SIZE)
    light = [n.view(-1, 1, 1, 1) for n in (numbers(0.92, 1.08), numbers(-0.04, 0.04))]
    images = (images - 0.5) * light[0] + 0.5 + light[1]
    soft = (numbers(0, 1) < 0.3).view(-1, 1, 1, 1)
    return torch.where(soft, _softened(images, float(rng.uniform(0.6, 0.9))), images).clamp(0, 1)


def _softened(images: Tensor, share: float) -> Tensor:
    """Through a smaller size and back: a file of lower resolution is not another hand."""
    small = F.interpolate(images, scale_factor=share, mode="bilinear", antialias=True)
    return F.interpolate(small, images.shape[2:], mode="bilinear", align_corners=False)

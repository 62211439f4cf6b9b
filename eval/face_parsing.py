"""The shipped face parser: which part of a face is where, in photos and in drawings alike.

Six parts on a grid of 32 x 32 cells, read from the frozen maps of the perceptual network by a few dilated
convolutions. It learned from rendered portraits, whose parts are known, and from its own confident answers on
photos and drawings (`fewshot/training/face_parsing.py`; the card beside the weights tells how well it does).
Losses can so compare hair with hair and skin with skin. No measurement uses it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.perceptual import CHANNELS, PerceptualNet, load_perceptual
from eval.shipped_weights import FOLDER, load_shipped

WEIGHTS = FOLDER / "face_parsing.safetensors"
HEADER = "face_parsing"
SCRIPT = "fewshot.training.face_parsing"
PARTS = ("ground", "clothes", "hair", "skin", "eyes", "mouth")
"""In the order of the channels. Skin is face, ears and neck; a beard is hair; glasses are eyes."""
CELLS = 32
"""Along a side of the grid."""
_DILATIONS = (1, 2, 4, 8, 1)
_GROUPS = 8


class FaceParsingHead(nn.Module):
    """Maps of the perceptual network to logits `(B, 6, CELLS, CELLS)`."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        # Two more inputs say where a cell is: shoulders are below.
        self.stem = nn.Conv2d(sum(CHANNELS) + 2, width, 1)
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in _DILATIONS)
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, width) for _ in range(1 + len(_DILATIONS)))
        self.out = nn.Conv2d(width, len(PARTS), 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        first, *others = self.norms
        x = F.relu(first(self.stem(_on_one_grid(maps))))
        for convolution, norm in zip(self.body, others, strict=True):
            x = x + F.relu(norm(convolution(x)))
        return self.out(x)


class FaceParser(nn.Module):
    """Pictures to the probability of each part.

    Args:
        features: the perceptual network, which may be shared.
        head: what reads its maps.

    `forward` takes RGB `(B, 3, H, W)` in [0, 1], sides of 32 px or more, and returns `(B, 6, CELLS, CELLS)`
    that add up to one in each cell.
    """

    def __init__(self, features: PerceptualNet, head: FaceParsingHead) -> None:
        super().__init__()
        self.features, self.head = features, head

    def logits(self, images: Tensor) -> Tensor:
        """Before the softmax."""
        return self.head(self.features(images))

    def forward(self, images: Tensor) -> Tensor:
        return F.softmax(self.logits(images).float(), 1)


def load_face_parser(features: PerceptualNet | None = None) -> FaceParser:
    """The shipped parser, frozen, in eval mode and float32 (stored as float16).

    Args:
        features: a perceptual network that is loaded already; by default another one is.

    Raises:
        MissingWeightsError: there is no such file.
        WeightsMismatchError: unreadable, altered or of another network.
    """
    head = load_shipped(FaceParsingHead(), WEIGHTS, HEADER, SCRIPT)
    return FaceParser(features or load_perceptual(), head).eval()


def _on_one_grid(maps: list[Tensor]) -> Tensor:
    """Unit feature vectors of all maps and the cell's place in [-1, 1], `(B, C, CELLS, CELLS)`."""
    grid = (CELLS, CELLS)
    unit = [F.normalize(m, dim=1) for m in maps]
    on_grid = [
        F.adaptive_avg_pool2d(m, grid)
        if min(m.shape[-2:]) > CELLS
        else F.interpolate(m, grid, mode="bilinear")
        for m in unit
    ]
    along = torch.linspace(-1, 1, CELLS, device=maps[0].device, dtype=maps[0].dtype)
    places = torch.stack([along.expand(grid), along[:, None].expand(grid)])
    return torch.cat([*on_grid, places.expand(len(maps[0]), 2, *grid)], 1)

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
        x = F.relu(first(self._stem_of(maps)))
        for convolution, norm in zip(self.body, others, strict=True):
            x = x + F.relu(norm(convolution(x)))
        return self.out(x)

    def _stem_of(self, maps: list[Tensor]) -> Tensor:
        """The stem of all maps' unit feature vectors and of the cells' places in [-1, 1].

        Each map is scaled to the grid behind its share of the convolution, which costs a third of scaling it
        before: both are linear, and the convolution leaves fewer channels.
        """
        *of_maps, of_places = self.stem.weight.split([*CHANNELS, 2], 1)
        along = torch.linspace(-1, 1, CELLS, device=maps[0].device, dtype=maps[0].dtype)
        grid = (CELLS, CELLS)
        places = torch.stack([along.expand(grid), along[:, None].expand(grid)])
        x = F.conv2d(places[None], of_places, self.stem.bias)
        for each, weight in zip(maps, of_maps, strict=True):
            x = x + _on_grid(F.conv2d(F.normalize(each, dim=1), weight))
        return x


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


def _on_grid(each: Tensor) -> Tensor:
    """A map `(B, C, h, w)` scaled to the cells."""
    if min(each.shape[-2:]) > CELLS:
        return F.adaptive_avg_pool2d(each, (CELLS, CELLS))
    return F.interpolate(each, (CELLS, CELLS), mode="bilinear")

"""The shipped style encoder: drawings by one hand lie near each other, whatever they show.

A small timm backbone without its last stage: its stem as it is, and three maps read out by 1x1 convolutions
that were taught SqueezeNet's channels. Every map gives the mean and standard deviation of each channel over
the picture: they say how things are drawn and, having no positions, little of what is where (the statistics
of arXiv 1701.01036). One linear layer turns them into a unit vector; its inner products compare hands.
`fewshot/training/style_encoder.py` makes the weights, the card beside them tells how well they do.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.features import square, square_text
from eval.perceptual import style_statistics
from eval.shipped_weights import FOLDER, load_shipped
from eval.weight_files import file_sha256

WEIGHTS = FOLDER / "style.safetensors"
BACKBONE = "resnet10t"
TAPS = (0, 1, 2, 3)
CHANNELS = (128, 256, 384)
"""Of the maps that are read out: SqueezeNet's fire3, fire5 and fire7."""
DIM = 128
SIZE = 128
RESIZE = square_text(SIZE)
NAME = "style"
"""Of the extractor."""
HEADER = "style"
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class StyleEncoder(nn.Module):
    """Pictures to unit vectors.

    `forward` takes RGB `(B, 3, H, W)` in [0, 1], any size of 32 px or more, and returns `(B, DIM)` of length
    one. The weights were trained on pictures of about `SIZE` px: strokes of another scale are another style
    to it.
    """

    mean: Tensor
    std: Tensor
    dim = DIM

    def __init__(self) -> None:
        super().__init__()
        import timm

        self.backbone = timm.create_model(BACKBONE, pretrained=False, features_only=True, out_indices=TAPS)
        stem, *widths = self.backbone.feature_info.channels()
        self.heads = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(widths, CHANNELS, strict=True))
        self.statistics_dim = 2 * (stem + sum(CHANNELS))
        self.norm = nn.BatchNorm1d(self.statistics_dim)
        self.project = nn.Linear(self.statistics_dim, DIM)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def maps(self, images: Tensor) -> list[Tensor]:
        """The stem's map at 1/2 of the resolution, and `CHANNELS` at 1/4, 1/8 and 1/16; non-negative."""
        stem, *stages = self.backbone((images - self.mean) / self.std)
        return [stem, *(F.relu(head(stage)) for head, stage in zip(self.heads, stages, strict=True))]

    def statistics(self, maps: list[Tensor]) -> Tensor:
        """Standardised means and deviations of the maps, `(B, statistics_dim)`."""
        return self.norm(torch.cat(style_statistics([m.float() for m in maps]), 1))

    def embed(self, maps: list[Tensor]) -> Tensor:
        """Unit vectors `(B, DIM)`."""
        return F.normalize(self.project(self.statistics(maps)), dim=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.embed(self.maps(images))


class SquareStyle(nn.Module):
    """The encoder on the centre square at its own size: the extractor `style`.

    Its rows have the length sqrt(D), so that entries are of size one as KID's kernel wants them: the kernel
    of two rows is (cosine + 1)^3.
    """

    dim = DIM

    def __init__(self, encoder: StyleEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder(square(images, SIZE)) * DIM**0.5


def extractor_parts() -> tuple[SquareStyle, str, str]:
    """Module, sha256 of the weight file and resize method, as `features.get_extractor` wants them."""
    return SquareStyle(load_style()), file_sha256(WEIGHTS), RESIZE


def load_style(path: Path = WEIGHTS) -> StyleEncoder:
    """The shipped encoder, frozen, in eval mode and float32 (stored as float16).

    Raises:
        MissingWeightsError: there is no such file.
        WeightsMismatchError: unreadable, altered (its sha256 is in its own header) or of another network.
    """
    return load_shipped(StyleEncoder(), path, HEADER, "fewshot.training.style_encoder")

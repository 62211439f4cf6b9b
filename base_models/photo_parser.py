"""The network that tells a generator what part of a face is where in the photo.

A small student of `eval.face_parsing`, which learned on photos what that one answers
(`fewshot/training/photo_parser.py`; the card beside the weights tells how well). It is a part of every base,
so that whoever has a base needs nothing else, and is frozen there.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from base_models.architectures import PARSER_BLOCKS, PARSER_FOLD, PARTS
from base_models.arrays import DAMAGED
from base_models.blocks import ConvBlock, ResidualBlock, UpsampleBlock
from base_models.registry import CheckpointError

WEIGHTS = Path(__file__).parent / "weights" / "photo_parser.safetensors"


class PhotoParser(nn.Module):
    """Photos to the probability of each part.

    Args:
        width: channels at the answer's size; twice as many below.

    `forward` maps `(B, 3, H, W)` in [-1, 1], as large as a base's lowest stage wants them, to
    `(B, len(PARTS), H / 2, W / 2)` that add up to one everywhere; H and W are multiples of 4.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fold = nn.PixelUnshuffle(PARSER_FOLD)
        self.stem = ConvBlock(3 * PARSER_FOLD**2, width)
        self.down = ConvBlock(width, 2 * width, stride=2)
        self.trunk = nn.ModuleList(ResidualBlock(2 * width) for _ in range(PARSER_BLOCKS))
        self.up = UpsampleBlock(2 * width, width)
        self.head = ConvBlock(width, len(PARTS), norm=False, act=False)

    def logits(self, x: Tensor) -> Tensor:
        """Before the softmax."""
        x = self.down(self.stem(self.fold(x)))
        for block in self.trunk:
            x = block(x)
        return self.head(self.up(x))

    def forward(self, x: Tensor) -> Tensor:
        return F.softmax(self.logits(x).float(), 1)


def with_colours(parts: Tensor, photos: Tensor) -> Tensor:
    """Parts of a face and, where each is, the colour that it has in the photo, the same all over it.

    It tells a generator what a flat drawing needs: one colour for all the hair, without light and strands.

    Args:
        parts: probabilities `(B, P, h, w)`.
        photos: `(B, 3, h, w)` in [-1, 1].

    Returns:
        `(B, 4 P, h, w)`: the probabilities, then each of them times the mean red, green and blue of its part.
    """
    parts, photos = parts.float(), photos.float()
    # What fills less than one place is hardly there: its colour fades out.
    shares = parts / parts.sum((2, 3), keepdim=True).clamp_min(1)
    colours = shares.flatten(2) @ photos.flatten(2).transpose(1, 2)
    return torch.cat([parts, (parts[:, :, None] * colours[..., None, None]).flatten(1, 2)], 1)


def load_photo_parser(parser: PhotoParser, path: Path = WEIGHTS) -> None:
    """Fill a parser of the trained width with the trained weights; on the meta device there is nothing to do.

    Raises:
        CheckpointError: the file is missing, damaged, or of another width.
    """
    if next(parser.parameters()).is_meta:
        return
    try:
        parser.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be used ({error!s:.80})", DAMAGED) from None

"""Sizes of the registered architectures. Loads without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

PARTS = ("ground", "clothes", "hair", "skin", "eyes", "mouth")
"""Of a face, in the order of a parser's channels; `eval.face_parsing` has the same."""

PLACES = 4 * len(PARTS)
"""Channels that say what is where in a photo: the share of each part, and that part's red, green and blue."""
PARSER_WIDTH = 20
"""Of the parser that is trained (`photo_parser.py`)."""
PARSER_FOLD = 2
"""Pixels of the lowest stage's photo for one of a parser's answer, along a side."""
PARSER_BLOCKS = 2
"""Residual blocks of a parser."""


@dataclass(frozen=True)
class StageSpec:
    """Size of one stage of the stacked generator."""

    size: int
    """Side of the pictures it works on, px."""
    width: int
    """Channels after the first convolution; doubled by each downsampling but the last."""
    trunk: int
    """Channels of the residual blocks."""
    blocks: int
    """Residual blocks: most of the parameters and of the drawing."""
    downs: int = 2
    """Stride-2 convolutions before the residual blocks."""
    unshuffle: int = 1
    """Pixel-unshuffle factor: the stage's first convolution runs at size / unshuffle, which a CPU likes."""
    kernel: int = 7
    """Kernel of the first and last convolution; 3 where unshuffling already widens the view."""
    fusion_width: int = 16
    """Hidden channels of the adaptive fusion (stages above the first)."""
    film: int = 4
    """Cells a side of the thumbnail of its picture that every norm is modulated by; 0: by none."""


@dataclass(frozen=True)
class Architecture:
    """A stacked generator and the discriminator that belongs to it."""

    stages: tuple[StageSpec, ...]
    """Coarse to fine."""
    fusion: bool = True
    """Adaptive fusion of each stage with the one below (paper, eq. 6)."""
    skip: bool = True
    """Feed the input again to every stage (the paper's skip connection)."""
    ndf: int = 32
    """Channels after the discriminator's first convolution."""
    d_layers: int = 3
    """Stride-2 convolutions of the discriminator; 3 give 70x70 patches."""
    parser: int = 0
    """Width of the frozen network in netG_A that finds the parts of a face in the photo; 0: none is there."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, read back by `from_dict`."""
        return asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Architecture:
        """The inverse of `to_dict`; unknown keys raise TypeError."""
        rest = {key: value for key, value in data.items() if key != "stages"}
        return Architecture(stages=tuple(StageSpec(**stage) for stage in data["stages"]), **rest)


def multiple_of(stages: Sequence[StageSpec], parser: int = 0) -> int:
    """Height and width must be a multiple of this, so that every stage's grid comes out even."""
    last = len(stages) - 1
    # Of a stage's picture: its convolutions' strides, and cells of the thumbnail that are all alike.
    own = (math.lcm(s.unshuffle * 2**s.downs, s.film or 1) for s in stages)
    # The parser folds the lowest stage's picture and halves it once.
    finder = (2 * PARSER_FOLD * 2**last,) if parser else ()
    return math.lcm(*(side * 2 ** (last - k) for k, side in enumerate(own)), *finder)


_LIGHT = (
    StageSpec(size=64, width=32, trunk=128, blocks=6),
    StageSpec(size=128, width=48, trunk=96, blocks=4, downs=1, unshuffle=2, kernel=3),
    StageSpec(size=256, width=48, trunk=96, blocks=4, downs=1, unshuffle=4, kernel=3),
)

ARCHITECTURES: dict[str, Architecture] = {
    "scan_tiny": Architecture(
        stages=(
            StageSpec(size=16, width=4, trunk=8, blocks=1, downs=1, kernel=3, film=2),
            StageSpec(
                size=32, width=4, trunk=8, blocks=1, downs=1, unshuffle=2, kernel=3, fusion_width=4, film=0
            ),
        ),
        ndf=4,
        d_layers=2,
        parser=2,
    ),
    "scan_paper_256": Architecture(
        stages=(
            StageSpec(size=128, width=64, trunk=256, blocks=6),
            StageSpec(size=256, width=64, trunk=256, blocks=6, fusion_width=64),
        ),
        ndf=64,
    ),
    # The lowest stage alone, where a trial is cheap.
    "scan_64": Architecture(stages=_LIGHT[:1], parser=PARSER_WIDTH),
    "scan_128": Architecture(stages=_LIGHT[:2], parser=PARSER_WIDTH),
    "scan_256": Architecture(stages=_LIGHT, parser=PARSER_WIDTH),
}

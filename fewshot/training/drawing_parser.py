"""The parts of a face in drawings, where a bare head is skin.

The face parser tells hair by its place: it learned from heads that have some. On a bald head, a shaved temple
or a forehead that is cut off it finds hair in the colour of skin, and what a result's hair is to look like,
and what a discriminator takes for hair, would be skin: everybody went bald.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.colour_edge import rgb_to_lab
from eval.face_parsing import PARTS, FaceParser

HAIR, SKIN = PARTS.index("hair"), PARTS.index("skin")
LEAST_HAIR = 0.08
"""Share of a drawing below which hair is a tuft, or an accident of the parser."""
_SAME, _ALIKE = 4.0, 10.0
"""Distances in CIELAB to the skin's median colour: of the same paint, and of a shade of it."""
_FLAT = 8.0
"""Deviation in CIELAB within a cell up to which it is paint; more is a line."""
_LEAST_SKIN = 6
"""Cells of skin from which its colour is known."""
_NEAR = 5
"""Side of the neighbourhood, in cells, whose paint says what a line belongs to."""
_FEW = 0.1
"""Share of an artist's drawings: if fewer have hair of a colour of its own, hair in the colour of skin is
their way to draw it (white paper for both), and no bare head."""
_BATCH = 16


class DrawingParser(nn.Module):
    """A face parser for one artist's drawings.

    Args:
        parser: the parser for everything.
        drawings: the artist's, uint8 `(N, 3, S, S)`. They tell whether hair that has the colour of skin can
            be a bare head.

    `forward` takes drawings `(B, 3, H, W)` in [0, 1] and returns `(B, P, h, w)`, as `eval.face_parsing`.
    """

    def __init__(self, parser: FaceParser, drawings: Tensor) -> None:
        super().__init__()
        self.parser = parser
        self.bare_is_skin, device = True, next(parser.parameters()).device
        with torch.no_grad():
            shown = (batch.to(device).float() / 255 for batch in drawings.split(_BATCH))
            hair = torch.cat([self(batch).argmax(1) == HAIR for batch in shown]).float().mean((1, 2))
        self.bare_is_skin = bool((hair > LEAST_HAIR).float().mean() >= _FEW)

    def forward(self, images: Tensor) -> Tensor:
        return self.corrected(self.parser(images), images)

    def corrected(self, parts: Tensor, images: Tensor) -> Tensor:
        """What the parser for everything found in drawings, with bare heads made skin."""
        return bare_to_skin(parts, images) if self.bare_is_skin else parts


def bare_to_skin(parts: Tensor, drawings: Tensor) -> Tensor:
    """Probabilities of parts `(B, P, h, w)`, those of hair given to skin where a head is bare.

    Bare is what has the face's colour, or a shade of it and no line between them.

    Args:
        parts: as `eval.face_parsing` finds them.
        drawings: float `(B, 3, S, S)` in [0, 1].
    """
    colours, flat = paint(drawings, parts.shape[-2:])
    found = parts.argmax(1)
    hair, skin = found == HAIR, flat & (found == SKIN)
    known = skin.sum((1, 2), keepdim=True) >= _LEAST_SKIN
    away = away_from_median(colours, skin)
    same, alike = (flat & (hair | skin) & known & (away < limit) for limit in (_SAME, _ALIKE))
    bare = (same | _connected(skin, alike)) & hair
    # The outline of a bare head is no strand of hair; one in which hair ends is.
    beside_skin, beside_hair = (
        F.avg_pool2d(where.float(), _NEAR, 1, _NEAR // 2) for where in (bare | skin, hair & ~bare)
    )
    bare |= hair & ~flat & (beside_skin > beside_hair)
    moved = torch.where(bare, parts[:, HAIR], 0.0)
    corrected = parts.clone()
    corrected[:, HAIR] -= moved
    corrected[:, SKIN] += moved
    return corrected


def paint(drawings: Tensor, grid: torch.Size | tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Mean CIELAB of each cell `(B, 3, h, w)`, and whether it is one paint without a line `(B, h, w)`.

    Args:
        drawings: float `(B, 3, S, S)` in [0, 1].
        grid: height and width in cells.
    """
    # The same drawing has the same parts in every precision that a network computes in.
    with torch.autocast(drawings.device.type, enabled=False):
        lab = rgb_to_lab(drawings.float())
        mean, square = (F.adaptive_avg_pool2d(x, (int(grid[0]), int(grid[1]))) for x in (lab, lab.square()))
    return mean, (square - mean.square()).clamp_min(0).sum(1).sqrt() < _FLAT


def away_from_median(colours: Tensor, where: Tensor) -> Tensor:
    """Distance of each cell `(B, h, w)` from the median colour of some; nan where there are none.

    Args:
        colours: `(B, 3, h, w)`.
        where: the cells whose median it is, `(B, h, w)`.
    """
    some = colours.masked_fill(~where[:, None], torch.nan).flatten(2)
    return (colours - some.nanmedian(2).values[..., None, None]).norm(dim=1)


def _connected(start: Tensor, within: Tensor) -> Tensor:
    """Cells of `within` `(B, h, w)` that a path through it, side to side, leads to from `start`."""
    reached = start & within
    for _ in range(sum(within.shape[-2:])):
        grown = reached.float()[:, None]
        grown = F.max_pool2d(grown, (3, 1), 1, (1, 0)) + F.max_pool2d(grown, (1, 3), 1, (0, 1))
        reached = (grown[:, 0] > 0) & within
    return reached

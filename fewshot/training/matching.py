"""Which drawing a photo's result is compared with: one that, or whose pseudo-photo, is like it in colour."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from eval.colour_edge import rgb_to_lab
from eval.face_parsing import PARTS, FaceParser
from fewshot.training.drawing_features import AROUND
from fewshot.training.sources import Sources

_CELLS = 4
"""Squares along a side whose mean colours are compared: hair, skin, shoulders, ground."""
_LEAST = 0.006
"""Share of a picture below which a part is not there."""
_BARE = 15.0
"""Distance in CIELAB below which what the parser takes for hair is a bare head: it tells by the place."""
_LOOK = 128
"""Side of the pictures that the parser is shown at most, px: it was taught on such."""
_BATCH = 16


def targets_of(sources: Sources, drawings: Tensor, wholes: Tensor, parser: FaceParser | None) -> Tensor:
    """The drawing of each source photo, or with a parser that of each part of its face.

    Args:
        sources: photos; a pseudo-photo has its own drawing, of the others see `match_drawings` and
            `match_parts`.
        drawings: training drawings, uint8 `(N, 3, S, S)`.
        wholes: the same before their faces were cut out.
        parser: finds the parts; None: whole pictures are matched.

    Returns:
        Indices of drawings, int64 `(M,)`, or `(M, P)` with a parser.
    """
    own, others = torch.arange(sources.made), sources.photos[sources.made :]
    if parser is None:
        return torch.cat([own, match_drawings(others, sources.pairs)])
    return torch.cat([own[:, None].expand(-1, len(PARTS)), match_parts(others, drawings, wholes, parser)])


def match_drawings(photos: Tensor, pairs: Tensor) -> Tensor:
    """A drawing for each photo, such that photos are near to the drawings' pseudo-photos in colour.

    Each drawing is used as often as any other, or once more (an optimal transport plan, found by the
    Hungarian method): chosen freely, a few that suit everybody would stand for all, and the artist's rarer
    colours would never be learned. Photos are compared as they are and mirrored.

    Args:
        photos: uint8 `(M, 3, S, S)`.
        pairs: uint8 `(N, 3, S, S)`, a pseudo-photo of each drawing.

    Returns:
        Indices of drawings, int64 `(M,)`.
    """
    ours, theirs = _colours(photos), _colours(pairs).flatten(1)
    cost = torch.minimum(torch.cdist(ours.flatten(1), theirs), torch.cdist(ours.flip(-1).flatten(1), theirs))
    return _shared_out(cost.square())


def match_parts(photos: Tensor, drawings: Tensor, wholes: Tensor, parser: FaceParser) -> Tensor:
    """A drawing for each part of each photo's face: dark hair for dark hair, whatever the skin beside it is.

    As `match_drawings`, part by part and by the part's mean colour, less the mean of all photos or all
    drawings: by how much drawings are lighter does not count, and the order is kept. What a generator is to
    make of a colour is then a smooth function of it, which it can learn. Drawings that lack a part do not
    stand for it, nor bald heads for hair: those with hair stand for all, be they few.

    Args:
        photos: uint8 `(M, 3, S, S)`.
        drawings: uint8 `(N, 3, S, S)`.
        wholes: the same before their faces were cut out, which show what the artist puts around a face.
        parser: finds the parts.

    Returns:
        Indices of drawings, int64 `(M, P)`.
    """
    matched = torch.zeros(len(photos), len(PARTS), dtype=torch.long)
    if not len(photos):
        return matched
    (ours, shown), *both = (_part_colours(pictures, parser) for pictures in (photos, drawings, wholes))
    for part, name in enumerate(PARTS):
        theirs, there = both[name in AROUND]
        able = _able(part, theirs, there)
        seen = shown[:, part]
        # Where a photo lacks the part it does not matter, and the others are told by their own mean.
        middle = ours[seen, part].mean(0) if seen.any() else ours[:, part].mean(0)
        photo_side = torch.where(seen[:, None], ours[:, part] - middle, 0.0)
        drawing_side = theirs[able, part] - theirs[able, part].mean(0)
        matched[:, part] = able[_shared_out(torch.cdist(photo_side, drawing_side).square())]
    return matched


def _able(part: int, colours: Tensor, there: Tensor) -> Tensor:
    """Indices of the drawings that stand for a part; if none shows it all do, if all heads are bare those."""
    shown = there[:, part]
    choices = [shown, torch.ones_like(shown)]
    if PARTS[part] == "hair":
        choices.insert(0, shown & ~_bald(colours, there))
    return next(choice for choice in choices if choice.any()).nonzero().flatten()


def _bald(colours: Tensor, there: Tensor) -> Tensor:
    """Whether what passes for hair `(N,)` has the colour of skin; of part colours `(N, P, 3)`."""
    hair, skin = (PARTS.index(name) for name in ("hair", "skin"))
    return there[:, skin] & ((colours[:, hair] - colours[:, skin]).norm(dim=1) < _BARE)


def _shared_out(cost: Tensor) -> Tensor:
    """A column for each row, each equally often or once more, such that costs `(M, N)` add up to least."""
    rows, columns = cost.shape
    rounds, over = divmod(rows, columns)
    places = np.tile(cost.numpy(), rounds + 1)
    # Nobody's rows fill what is left of the last round; they may go nowhere else.
    spare = np.zeros((columns - over, places.shape[1]))
    spare[:, : rounds * columns] = 1 + rows * float(cost.max()) if rows else 1
    _, chosen = linear_sum_assignment(np.concatenate([places, spare]))
    return torch.from_numpy(chosen[:rows] % columns)


def _colours(pictures: Tensor) -> Tensor:
    """CIELAB of coarse cells, `(N, 3, _CELLS, _CELLS)`."""
    return rgb_to_lab(F.adaptive_avg_pool2d(pictures.float() / 255, _CELLS))


@torch.no_grad()
def _part_colours(pictures: Tensor, parser: FaceParser) -> tuple[Tensor, Tensor]:
    """Mean CIELAB of each part `(N, P, 3)`, and whether it is there `(N, P)`."""
    colours, there, device = [], [], next(parser.parameters()).device
    for batch in pictures.split(_BATCH):
        images = batch.float() / 255
        if images.shape[-1] > _LOOK:
            images = F.interpolate(images, (_LOOK, _LOOK), mode="area")
        # Squared, so that what is doubtful counts little.
        sure = parser(images.to(device)).float().cpu().square()
        lab = F.interpolate(rgb_to_lab(images), sure.shape[-2:], mode="area")
        sums = sure.flatten(2) @ lab.flatten(2).transpose(1, 2)
        colours.append(sums / sure.sum((2, 3)).clamp_min(1e-3)[..., None])
        there.append(sure.mean((2, 3)) > _LEAST)
    return torch.cat(colours), torch.cat(there)

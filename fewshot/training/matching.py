"""Which drawing a photo's result is compared with: one that, or whose pseudo-photo, is like it in colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from eval.colour_edge import rgb_to_lab
from eval.face_parsing import PARTS
from fewshot.training.drawing_features import AROUND
from fewshot.training.drawing_parser import LEAST_HAIR, DrawingParser
from fewshot.training.mistaken_parts import without_mistaken
from fewshot.training.sources import Sources

_CELLS = 4
"""Squares along a side whose mean colours are compared: hair, skin, shoulders, ground."""
_LEAST = 0.006
"""Share of a picture below which a part is not there."""
_MOST = 4
"""How many times its share a drawing stands for a part that is taken in its own colours."""
_HUES = 4.0
"""Deviation of a part's hue over the drawings, in CIELAB, below which all have one: ink and pencil."""
_LOOK = 128
"""Side of the pictures that the parser is shown at most, px: it was taught on such."""
_BATCH = 16


def targets_of(
    sources: Sources,
    drawings: Tensor,
    wholes: Tensor,
    parser: DrawingParser | None,
    own_colours: Sequence[str] = (),
) -> Tensor:
    """The drawing of each source photo, or with a parser that of each part of its face.

    Args:
        sources: photos; a pseudo-photo has its own drawing, of the others see `match_drawings` and
            `match_parts`.
        drawings: training drawings, uint8 `(N, 3, S, S)`.
        wholes: the same before their faces were cut out.
        parser: finds the parts; None: whole pictures are matched.
        own_colours: see `match_parts`.

    Returns:
        Indices of drawings, int64 `(M,)`, or `(M, P)` with a parser.
    """
    own, others = torch.arange(sources.made), sources.photos[sources.made :]
    if parser is None:
        return torch.cat([own, match_drawings(others, sources.pairs)])
    matched = match_parts(others, drawings, wholes, parser, own_colours)
    return torch.cat([own[:, None].expand(-1, len(PARTS)), matched])


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


def match_parts(
    photos: Tensor, drawings: Tensor, wholes: Tensor, parser: DrawingParser, own_colours: Sequence[str] = ()
) -> Tensor:
    """A drawing for each part of each photo's face: dark hair for dark hair, whatever the skin beside it is.

    As `match_drawings`, part by part and by the part's mean colour, less the mean of all photos or all
    drawings: by how much drawings are lighter does not count, and the order is kept. What a generator is to
    make of a colour is then a smooth function of it, which it can learn. Drawings that lack a part do not
    stand for it, nor bald heads for hair: those with hair stand for all, be they few.

    Some parts are taken in their own colours, and a drawing may stand for up to `_MOST` times its share.
    People's hair is black and brown, and that of drawings often of every colour: in equal shares brown hair
    is to be blue, pink or white by differences that nobody sees, and a generator gives all of it their mean,
    which is the ground's. Not so where the artist has one hue: photographed hair is darker than pencil, and a
    few smudged drawings would stand for all.

    Args:
        photos: uint8 `(M, 3, S, S)`.
        drawings: uint8 `(N, 3, S, S)`.
        wholes: the same before their faces were cut out, which show what the artist puts around a face.
        parser: finds the parts.
        own_colours: names of the parts whose colours are taken as they are.

    Returns:
        Indices of drawings, int64 `(M, P)`.
    """
    matched = torch.zeros(len(photos), len(PARTS), dtype=torch.long)
    if not len(photos):
        return matched
    device = next(parser.parameters()).device
    ours, shares = _part_colours(photos, parser.parser, device)
    both = [
        _part_colours(pictures, lambda images: without_mistaken(parser(images), images), device)
        for pictures in (drawings, wholes)
    ]
    for part, name in enumerate(PARTS):
        theirs, drawn = both[name in AROUND]
        able = _able(drawn[:, part], LEAST_HAIR if name == "hair" else _LEAST)
        wanted, offered = _where_seen(ours[:, part], shares[:, part] > _LEAST), theirs[able, part]
        if name in own_colours and _have_hues(offered):
            chosen = _nearest(_distances(wanted, offered), _MOST)
        else:
            chosen = _shared_out(_distances(wanted - wanted.mean(0), offered - offered.mean(0)))
        matched[:, part] = able[chosen]
    return matched


def _where_seen(colours: Tensor, seen: Tensor) -> Tensor:
    """Colours `(M, 3)`, and the mean of them where a photo lacks the part: there it does not matter."""
    return torch.where(seen[:, None], colours, colours[seen if seen.any() else ~seen].mean(0))


def _have_hues(colours: Tensor) -> bool:
    return float(colours[:, 1:].std(0, correction=0).norm()) > _HUES


def _distances(ours: Tensor, theirs: Tensor) -> Tensor:
    return torch.cdist(ours, theirs).square()


def _able(shares: Tensor, least: float) -> Tensor:
    """Indices of the drawings of which a part takes at least so much; if none shows it, of all."""
    shown = shares > least
    return (shown if shown.any() else torch.ones_like(shown)).nonzero().flatten()


def _nearest(cost: Tensor, most: int) -> Tensor:
    """A column for each row such that costs `(M, N)` add up to least, none above `most` times its share."""
    rows, columns = cost.shape
    _, chosen = linear_sum_assignment(np.tile(cost.numpy(), most * -(-rows // columns)))
    return torch.from_numpy(chosen % columns)


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
def _part_colours(
    pictures: Tensor, parse: Callable[[Tensor], Tensor], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Mean CIELAB of each part `(N, P, 3)`, and its share of the picture `(N, P)`.

    Args:
        parse: pictures in [0, 1] to probabilities of the parts, and perhaps of none behind them.
    """
    colours, shares, number = [], [], torch.arange(len(PARTS))[:, None]
    for batch in pictures.split(_BATCH):
        images = batch.float() / 255
        if images.shape[-1] > _LOOK:
            images = F.interpolate(images, (_LOOK, _LOOK), mode="area")
        parts = parse(images.to(device)).float().cpu()
        lab = F.interpolate(rgb_to_lab(images), parts.shape[-2:], mode="area").flatten(2)
        found = parts.argmax(1).flatten(1)[:, None]
        # Squared, so that what is doubtful counts little.
        sure = parts.flatten(2)[:, : len(PARTS)].square() * (found < len(PARTS))
        colours.append(sure @ lab.transpose(1, 2) / sure.sum(2, keepdim=True).clamp_min(1e-3))
        shares.append((found == number).float().mean(2))
    return torch.cat(colours), torch.cat(shares)

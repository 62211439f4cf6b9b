"""What the style losses know of the training drawings: computed once, before the first step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from base_models.losses import evenness_loss, outlier_loss, projected_wasserstein, style_loss
from eval.face_parsing import PARTS
from eval.perceptual import style_statistics
from fewshot.data.draws import Rng, randint, shared
from fewshot.training.drawing_parser import DrawingParser
from fewshot.training.flat_colours import COLOURS, flat_colours_loss, palettes
from fewshot.training.global_batch import ALONE, Join
from fewshot.training.mistaken_parts import without_mistaken
from fewshot.training.part_table import PartTable
from fewshot.training.sampled_rows import PATCH, Sampled, sample_rows

Features = Callable[[Tensor], list[Tensor]]
"""RGB `(B, 3, H, W)` in [0, 1] to maps."""

AROUND = ("ground", "clothes")
"""Parts that are hardly seen where a face fills the picture, and there often something else."""
ROWS = 512
"""Positions of each result that are compared on each layer."""
DIRECTIONS = 32
"""Random directions of each step."""
_HUES = 8
"""The same for the differences of colours."""
_STORED = 512
"""Positions of each drawing, and as many of its mirror image, that are kept for each layer."""
_BATCH = 16
_LEAST_SPREAD = 0.1
"""Of a layer's root mean square: a few drawings agree by chance, and one drawing has no spread at all."""


class DrawingFeatures:
    """Statistics and samples of the features of the drawings and of their mirror images.

    Photos are shown mirrored as often as not. An artist whose heads all look one way has the near ear and the
    far contour on the same side in each drawing, and results were to have them there whichever way a photo
    looks: an eye on that side filled with ink.

    Args:
        drawings: float `(N, 3, S, S)` in [-1, 1] on the device that the losses will be on.
        features: the frozen network.
        generator: CPU generator that chooses the positions.
        rows: whether samples are wanted (`lambda_swd`), which takes memory.
        parser: says what part of a face each sample is of, so that parts are compared; None: they are not.
        wholes: the same drawings before their faces were cut out, which show what the artist puts around a
            face: with a parser, `AROUND` is sampled there.
    """

    def __init__(
        self,
        drawings: Tensor,
        features: Features,
        generator: torch.Generator,
        rows: bool,
        parser: DrawingParser | None = None,
        wholes: Tensor | None = None,
    ) -> None:
        statistics, sampled, parts = [], [], []
        drawings = _and_mirrored(drawings)
        wholes = None if wholes is None else _and_mirrored(wholes)
        with torch.no_grad():
            for start in range(0, len(drawings), _BATCH):
                batch = slice(start, start + _BATCH)
                maps = features((drawings[batch] + 1) / 2)
                statistics.append(style_statistics(maps))
                if rows:
                    drawn = _sample(drawings[batch], maps, generator, parser)
                    if parser is not None and wholes is not None:
                        around = features((wholes[batch] + 1) / 2)
                        drawn = _joined(drawn, _sample(wholes[batch], around, generator, parser))
                    sampled.append([s.rows.half() for s in drawn])
                    parts.append([s.parts for s in drawn if s.parts is not None])
        per_drawing = [torch.cat(layer) for layer in zip(*statistics, strict=True)]
        self.statistics = [layer.mean(0) for layer in per_drawing]
        self.spreads = [_spread(layer) for layer in per_drawing]
        self.rows = [_pooled(torch.cat(layer)) for layer in zip(*sampled, strict=True)]
        self.tables = [PartTable(_pooled(torch.cat(layer))) for layer in zip(*parts, strict=True)]

    def style_loss(self, maps: list[Tensor], join: Join = ALONE) -> Tensor:
        """`base_models.losses.style_loss` of the results' maps, over the whole batch."""
        return style_loss([join(s) for s in style_statistics(maps)], self.statistics)

    def outlier_loss(self, maps: list[Tensor]) -> Tensor:
        """`base_models.losses.outlier_loss` of the results' maps."""
        return outlier_loss(style_statistics(maps), self.statistics, self.spreads)

    def swd(
        self,
        results: Tensor,
        maps: list[Tensor],
        rng: Rng,
        targets: Tensor | None = None,
        parts: Tensor | None = None,
        join: Join = ALONE,
    ) -> Tensor:
        """`base_models.losses.sliced_wasserstein` of pixel patches, and the mean of that of the maps.

        Features alone let a pale skin pass for a brown one where the contours agree, so pixels count as much
        as all maps together.

        Args:
            results: float `(B, 3, S, S)` in [-1, 1].
            maps: their features.
            rng: chooses positions and directions.
            targets: index of a drawing that each result `(B,)` or, with `parts`, each part of it `(B, P)` is
                compared with; all at once with all drawings when None.
            parts: probabilities of the parts of the face that the results show `(B, P, h, w)`; with them each
                part is compared with the same part, whatever share of the picture it has.
            join: adds what is not here of the batch.
        """
        terms = []
        for place, ours in enumerate(sample_rows(results, maps, ROWS, rng, parts)):
            rows, theirs = ours.rows, self._like(place, ours, rng, targets)
            directions = torch.randn(rows.shape[-1], DIRECTIONS, generator=shared(rng)).to(rows.device)
            directions = F.normalize(directions, dim=0)
            rows, theirs = (rows @ directions).float(), (theirs @ directions).float()
            groups = None if ours.parts is None else ours.parts.to(rows.device)
            if targets is None:
                rows, theirs = join(rows).flatten(0, 1), join(theirs).flatten(0, 1)
                groups = None if groups is None else join(groups).flatten()
                terms.append(projected_wasserstein(rows, theirs, groups))
            else:
                terms.append(projected_wasserstein(rows, theirs, groups, _variance(theirs, join)))
        return terms[0] + torch.stack(terms[1:]).mean()

    def evenness(
        self, results: Tensor, rng: Rng, targets: Tensor, parts: Tensor, join: Join = ALONE
    ) -> tuple[Tensor, Tensor]:
        """`base_models.losses.evenness_loss` by parts, of two differences of pixels; arguments as of `swd`.

        Returns:
            The loss of the mean colours of patches at random places, and that of how a pixel differs in hue
            from the patch around it. A seam of cyan beside a black line has little weight in a patch, and
            little in its mean.
        """
        (ours,) = sample_rows(results, [], ROWS, rng, parts)
        assert ours.parts is not None
        theirs = self._like(0, ours, rng, targets)
        groups, generator = ours.parts.to(theirs.device), shared(rng)
        patches = [rows.unflatten(2, (PATCH**2, 3)) for rows in (ours.rows, theirs)]
        return _of_places(patches, groups, generator, join), _of_hues(patches, groups, generator, join)

    def flat_colours(self, results: Tensor, rng: Rng, targets: Tensor, parts: Tensor) -> Tensor:
        """`flat_colours_loss` of pixels at random places; arguments as of `swd`."""
        (ours,) = sample_rows(results, [], ROWS, rng, parts)
        assert ours.parts is not None
        wanted = torch.arange(len(PARTS)).repeat_interleave(COLOURS).expand(len(results), -1)
        theirs = self._like(0, Sampled(ours.rows[:, :1], wanted), rng, targets)
        colours = palettes(theirs.unflatten(2, (PATCH**2, 3)).unflatten(1, (len(PARTS), COLOURS)))
        pixels = ours.rows.unflatten(2, (PATCH**2, 3))[:, :, PATCH**2 // 2]
        return flat_colours_loss(pixels, ours.parts.to(pixels.device), colours)

    def _like(self, layer: int, ours: Sampled, rng: Rng, targets: Tensor | None) -> Tensor:
        """As many stored rows of the drawings, `(B, count, C)`; of the same parts where they are known."""
        stored = self.rows[layer]
        count, kept = ours.rows.shape[1], stored.shape[1]
        if ours.parts is not None:
            chosen = self.tables[layer].choose(ours.parts, targets, rng)
        elif targets is not None:
            chosen = targets[:, None] * kept + torch.randint(0, kept, (count,), generator=shared(rng))
        else:
            chosen = randint(rng, len(stored) * kept, len(ours.rows), count)
        return stored.flatten(0, 1)[chosen.to(stored.device)].float()


def _of_places(patches: list[Tensor], groups: Tensor, generator: torch.Generator, join: Join) -> Tensor:
    """Evenness of the mean colours of patches `(B, N, P * P, 3)` at neighbouring places of one part."""
    # Neighbours in the order of the parts are places drawn at random from one part.
    order = groups.argsort(dim=1, stable=True)
    groups = groups.gather(1, order)
    same = (groups[:, 1:] == groups[:, :-1])[..., None]
    directions = F.normalize(torch.randn(3, _HUES, generator=generator), dim=0).to(groups.device)

    def differences(side: Tensor) -> Tensor:
        colours = side.mean(2).gather(1, order[..., None].expand(-1, -1, 3))
        return ((colours.diff(dim=1) * same) @ directions).float()

    ours, theirs = map(differences, patches)
    return evenness_loss(ours, theirs, groups[:, 1:], _variance(theirs, join))


def _of_hues(patches: list[Tensor], groups: Tensor, generator: torch.Generator, join: Join) -> Tensor:
    """Evenness of how the middle of each patch differs in hue from its mean.

    As a share of the differences in lightness: those of ink on paper have no hue at all.
    """
    directions = F.normalize(torch.randn(3, _HUES, generator=generator), dim=0).to(groups.device)
    ours, theirs = (side[:, :, PATCH**2 // 2] - side.mean(2) for side in patches)
    variance = _variance(theirs.mean(2, keepdim=True), join)
    # Lightness is taken off before the product, which may have few digits.
    ours, theirs = (((side - side.mean(2, keepdim=True)) @ directions).float() for side in (ours, theirs))
    return evenness_loss(ours, theirs, groups, variance)


def _variance(rows: Tensor, join: Join) -> Tensor:
    """Of rows `(B, N, P)` over those of the whole batch, `(P,)`; all pictures have N."""
    means, variances = join(torch.cat([rows.mean(1), rows.var(1, correction=0)], 1)).chunk(2, 1)
    count = len(means) * rows.shape[1]
    return (means.var(0, correction=0) + variances.mean(0)) * count / (count - 1)


def _and_mirrored(drawings: Tensor) -> Tensor:
    return torch.cat([drawings, drawings.flip(-1)])


def _pooled(rows: Tensor) -> Tensor:
    """Rows of N drawings and then of their mirror images `(2N, R, ...)` to the drawings' `(N, 2R, ...)`."""
    return torch.cat(rows.chunk(2), 1)


def _sample(
    drawings: Tensor, maps: list[Tensor], generator: torch.Generator, parser: DrawingParser | None
) -> list[Sampled]:
    shown = (drawings + 1) / 2
    found = None if parser is None else without_mistaken(parser(shown), shown)
    return sample_rows(drawings, maps, _STORED, generator, found)


def _joined(faces: list[Sampled], wholes: list[Sampled]) -> list[Sampled]:
    """What lies around a face from the whole drawings, everything else from the faces."""
    around = torch.tensor([PARTS.index(name) for name in AROUND])
    joined = []
    for face, whole in zip(faces, wholes, strict=True):
        assert face.parts is not None
        assert whole.parts is not None
        kept = [
            torch.where(torch.isin(face.parts, around), -1, face.parts),
            torch.where(torch.isin(whole.parts, around), whole.parts, -1),
        ]
        joined.append(Sampled(torch.cat([face.rows, whole.rows], 1), torch.cat(kept, 1)))
    return joined


def _spread(statistics: Tensor) -> Tensor:
    """Standard deviation over drawings `(N, 2C)` to `(2C,)`, at least a share of the layer's size."""
    size = statistics.mean(0).square().mean().sqrt()
    spread = statistics.std(0, correction=0)
    return (spread.square() + (_LEAST_SPREAD * size).square()).sqrt()

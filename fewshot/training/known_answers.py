"""Losses with a known answer: a pseudo-photo back to its drawing, a drawing to itself."""

from __future__ import annotations

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional as F

from eval.perceptual import PerceptualNet
from fewshot.data.augment import to_float
from fewshot.data.draws import Draws
from fewshot.training.shown import shifted
from recipes import Recipe

_PAIRED = 3
"""Maps that a pseudo-photo's result is compared with its drawing on."""


class KnownAnswers:
    """L1 to what is known, on a drawing for every second place of the batch.

    Args:
        recipe: `lambda_pair` and `lambda_identity`.
        features: frozen network, RGB in [0, 1] to four maps, as `eval.perceptual`.
        drawings: training drawings, uint8 `(N, 3, S, S)`.
        pairs: pseudo-photo of each, likewise.
        device: where everything is computed.
    """

    def __init__(
        self, recipe: Recipe, features: PerceptualNet, drawings: Tensor, pairs: Tensor, device: torch.device
    ) -> None:
        weights = {"pair": recipe.lambda_pair, "identity": recipe.lambda_identity}
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.features, self.drawings, self.pairs, self.device = features, drawings, pairs, device
        self.scales = _scales(features, drawings, device) if recipe.lambda_pair else []
        """Mean size of each of the maps that a pair is compared on."""

    def losses(self, G: PeftModel, draws: Draws, nothing: Tensor) -> dict[str, Tensor]:
        """Weighted losses by name.

        Args:
            nothing: what they are where these places have no drawing: a zero with a gradient, which every
                process has to have.
        """
        if not self.weights:
            return {}
        ours, total = _every_second(draws)
        if not len(ours):
            return dict.fromkeys(self.weights, nothing)
        index = ours.randint(len(self.drawings))
        both = shifted(torch.cat([self.drawings[index], self.pairs[index]], 1), ours)
        drawings, photos = to_float(both.to(self.device)).chunk(2, 1)
        # Their share of all that are drawn, as the photos' share of the batch is what the sum is weighted by.
        share = len(ours) / total * draws.total / len(draws)
        found = {}
        if "pair" in self.weights:
            found["pair"] = share * self.weights["pair"] * self._pair(G, photos, drawings)
        if "identity" in self.weights:
            found["identity"] = share * self.weights["identity"] * F.l1_loss(G(drawings).float(), drawings)
        return found

    def _pair(self, G: PeftModel, photos: Tensor, drawings: Tensor) -> Tensor:
        redrawn = G(photos.contiguous(memory_format=torch.channels_last))
        ours, theirs = (self.features((x.float() + 1) / 2) for x in (redrawn, drawings))
        layers = zip(ours[:_PAIRED], theirs[:_PAIRED], self.scales, strict=True)
        terms = [F.l1_loss(o, t) / scale for o, t, scale in layers]
        return F.l1_loss(redrawn.float(), drawings) + torch.stack(terms).mean()


def _every_second(draws: Draws) -> tuple[Draws, int]:
    """Draws for every second place of the batch, from the first, and how many there are in all."""
    total = max(1, draws.total // 2)
    places = draws.places[draws.places % 2 == 0] // 2
    return Draws(draws.shared, total, places[places < total]), total


@torch.no_grad()
def _scales(features: PerceptualNet, drawings: Tensor, device: torch.device, batch: int = 16) -> list[Tensor]:
    """Mean absolute value of each of the first maps of drawings, uint8 `(N, 3, S, S)`."""
    sums = [
        [m.abs().mean() * len(part) for m in features((to_float(part.to(device)) + 1) / 2)[:_PAIRED]]
        for part in drawings.split(batch)
    ]
    return [torch.stack(layer).sum() / len(drawings) for layer in zip(*sums, strict=True)]

"""What an adaptation's generator is trained on: the losses of one batch, by name."""

from __future__ import annotations

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn import functional as F

from base_models.discriminators import FeatureDiscriminator
from base_models.losses import content_loss, cycle_loss, lsgan_generator, tone_loss, total_variation
from eval.face_parsing import PARTS
from eval.perceptual import PerceptualNet
from fewshot.data.augment import differentiable, to_float
from fewshot.data.draws import Draws
from fewshot.training.drawing_features import DrawingFeatures
from fewshot.training.drawing_parser import DrawingParser
from fewshot.training.global_batch import ALONE, Join
from fewshot.training.known_answers import KnownAnswers
from fewshot.training.sources import Sources
from fewshot.training.style_discriminators import SHALLOW
from recipes import Recipe

CONTENT_LAYER = 2
"""fire5: fine enough to keep the eyes where they are, coarse enough to let strokes differ."""
_AROUND = 0.1
"""How much the photo's contours and tone count around the face."""
SMALLEST = 31
"""Side of the smallest picture that the features can look at, px: a base of 64 px at half its size."""
GREY = 5.0
"""Weight of colour in a grey recipe's results: high, since the drawings leave no doubt."""

Losses = dict[str, Tensor]


class StyleLosses:
    """The generator's losses; each is there when its weight in the recipe is not zero.

    Args:
        recipe: the weights.
        features: frozen network, RGB in [0, 1] to four maps, as `eval.perceptual`.
        parser: finds the parts of drawings, so that parts are compared with each other; None: they are not.
        drawings: training drawings, uint8 `(N, 3, S, S)`.
        wholes: the same before their faces were cut out.
        sources: pseudo-photos of those drawings.
        netG_B: the frozen way back.
        device: where everything is computed.
        generator: CPU generator of what is drawn once.
    """

    def __init__(
        self,
        recipe: Recipe,
        features: PerceptualNet,
        parser: DrawingParser | None,
        drawings: Tensor,
        wholes: Tensor,
        sources: Sources,
        netG_B: nn.Module,
        device: torch.device,
        generator: torch.Generator,
    ) -> None:
        self.recipe, self.features, self.netG_B = recipe, features, netG_B
        shown, around = (to_float(pixels).to(device) for pixels in (drawings, wholes))
        self.target = DrawingFeatures(
            shown, self._both_scales, generator, recipe.lambda_swd > 0, parser, around
        )
        self.known = KnownAnswers(recipe, features, drawings, sources.pairs, device)

    @property
    def look_across(self) -> bool:
        """Whether a loss looks at the batch as a whole, and not at one picture after the other."""
        return bool(self.recipe.lambda_style or self.recipe.lambda_swd)

    def of(
        self,
        G: PeftModel,
        D: nn.ModuleDict,
        photos: Tensor,
        draws: Draws,
        targets: Tensor | None = None,
        parts: Tensor | None = None,
        join: Join = ALONE,
    ) -> tuple[Tensor, Losses]:
        """Results of photos `(B, 3, S, S)` in [-1, 1] and their weighted losses, all of which are added up.

        Args:
            G: the generator with its adapter.
            D: the discriminators, whose parameters get no gradient here.
            photos: on the device.
            draws: random numbers of these photos in this step.
            targets: index of the drawing that each photo `(B,)` or each part of it `(B, P)` is matched with;
                None for all at once.
            parts: what the parser finds in the photos, `(B, P, h, w)`.
            join: adds what is not here of the batch.
        """
        r = self.recipe
        fakes = G(photos)
        images = fakes.float()
        corner = _corner(draws)
        maps = self._both_scales(_seen(images, corner))
        # Paint is held to be even where there are targets alone.
        losses = self._kept(G, photos, images, maps, corner, parts if targets is not None else None)
        losses |= self._style(images, maps, draws, join, targets, parts)
        if r.lambda_gan:
            seen = differentiable(with_parts(images, parts), r.augment, draws)
            losses["gan"] = r.lambda_gan * lsgan_generator(D["patch"](seen))
        if r.lambda_feature:
            losses["feature"] = r.lambda_feature * lsgan_generator(_scores(D["feature"], maps))
        if r.lambda_cycle:
            losses["cycle"] = r.lambda_cycle * cycle_loss(self.netG_B(fakes), photos)
        if r.grey:
            losses["grey"] = GREY * (images - images.mean(1, keepdim=True)).abs().mean()
        if r.lambda_tv:
            losses["tv"] = r.lambda_tv * total_variation(images)
        return fakes, losses | self.known.losses(G, draws, nothing=0 * images.sum())

    def rehearse(
        self,
        G: PeftModel,
        photos: Tensor,
        draws: Draws,
        targets: Tensor | None,
        parts: Tensor | None,
        join: Join,
    ) -> None:
        """Show `join` what the losses that look at the whole batch will ask it for; as `of`, without them."""
        images = G(photos).float()
        maps = self._both_scales(_seen(images, _corner(draws)))
        self._style(images, maps, draws, join, targets, parts)

    def _both_scales(self, images: Tensor) -> list[Tensor]:
        """Maps of pictures in [0, 1], then those of the pictures at half their size: strokes, then areas."""
        maps = self.features(images)
        if min(images.shape[-2:]) // 2 >= SMALLEST:
            maps = maps + self.features(F.avg_pool2d(images, 2))
        return [m.float() for m in maps]

    def _style(
        self,
        images: Tensor,
        maps: list[Tensor],
        draws: Draws,
        join: Join,
        targets: Tensor | None,
        parts: Tensor | None,
    ) -> Losses:
        """Statistics of the drawings' features: of the batch, of each result, and the values themselves."""
        r, losses = self.recipe, {}
        if r.lambda_style:
            losses["style"] = r.lambda_style * self.target.style_loss(maps, join)
        if r.lambda_outlier:
            losses["outlier"] = r.lambda_outlier * self.target.outlier_loss(maps)
        if r.lambda_swd:
            losses["swd"] = r.lambda_swd * self.target.swd(images, maps, draws, targets, parts, join)
        if r.lambda_even and targets is not None and parts is not None:
            even, seams = self.target.evenness(images, draws, targets, parts, join)
            losses |= {"even": r.lambda_even * even, "seams": r.lambda_even * seams}
        if r.lambda_flat and targets is not None and parts is not None:
            losses["flat"] = r.lambda_flat * self.target.flat_colours(images, draws, targets, parts)
        return losses

    def _kept(
        self,
        G: PeftModel,
        photos: Tensor,
        images: Tensor,
        maps: list[Tensor],
        corner: list[int],
        parts: Tensor | None,
    ) -> Losses:
        """What stays as it is in the photo, or in what the base draws of it: contours, light and dark.

        Less so around the face where paint is to be even: a dark wall is no reason for black paper.
        """
        r, losses = self.recipe, dict[str, Tensor]()
        if not (r.lambda_content or r.lambda_tone):
            return losses
        parts = parts if r.lambda_even else None
        with torch.no_grad():
            kept = photos if r.content_from == "photo" else _without_adapter(G, photos)
        if r.lambda_content:
            with torch.no_grad():
                source = self.features(_seen(kept, corner))[CONTENT_LAYER].float()
            weight = _all_but(parts, "ground")
            losses["content"] = r.lambda_content * content_loss(maps[CONTENT_LAYER], source, weight)
        if r.lambda_tone:
            weight = _all_but(parts, "ground", "clothes")
            losses["tone"] = r.lambda_tone * tone_loss(images, kept.float(), weight=weight)
        return losses


def with_parts(images: Tensor, parts: Tensor | None) -> Tensor:
    """Pictures `(B, 3, S, S)` and, in [-1, 1], the probability of each part of a face as further channels."""
    if parts is None:
        return images
    return torch.cat([images, 2 * F.interpolate(parts, images.shape[-2:], mode="bilinear") - 1], 1)


def _all_but(parts: Tensor | None, *names: str) -> Tensor | None:
    """How much each place counts `(B, 1, h, w)`: little where it is probably one of these parts."""
    if parts is None:
        return None
    theirs = parts[:, [PARTS.index(name) for name in names]].float().sum(1, keepdim=True)
    return 1 - (1 - _AROUND) * theirs


def _corner(draws: Draws) -> list[int]:
    return torch.randint(0, 2, (2,), generator=draws.shared).tolist()


def _seen(images: Tensor, corner: list[int]) -> Tensor:
    """Pictures in [-1, 1] as the features are shown them: in [0, 1], one row and one column less.

    Their first convolution takes every second pixel. Always on the same ones, a generator learns to please
    these alone, with coloured fringes beside its lines.
    """
    top, left = corner
    side = images.shape[-1] - 1
    return (images[..., top : top + side, left : left + side] + 1) / 2


def _scores(netD: nn.Module, maps: list[Tensor]) -> list[Tensor]:
    assert isinstance(netD, FeatureDiscriminator)
    return netD.score(maps[SHALLOW])


def _without_adapter(G: PeftModel, photos: Tensor) -> Tensor:
    with G.disable_adapter():
        return G(photos).float()

"""What an adaptation's generator is trained on: the losses of one batch, by name."""

from __future__ import annotations

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn import functional as F

from base_models.discriminators import FeatureDiscriminator
from base_models.losses import content_loss, cycle_loss, lsgan_generator, tone_loss, total_variation
from eval.face_parsing import FaceParser
from eval.perceptual import PerceptualNet
from fewshot.data.augment import differentiable, to_float
from fewshot.data.draws import Draws
from fewshot.training.drawing_features import DrawingFeatures
from fewshot.training.global_batch import ALONE, Join
from fewshot.training.shown import shifted
from fewshot.training.sources import Sources
from fewshot.training.style_discriminators import SHALLOW
from recipes import Recipe

CONTENT_LAYER = 2
"""fire5: fine enough to keep the eyes where they are, coarse enough to let strokes differ."""
_PAIRED = 3
"""Maps that a pseudo-photo's result is compared with its drawing on."""
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
        parser: finds the parts of a face, so that parts are compared with each other; None: they are not.
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
        parser: FaceParser | None,
        drawings: Tensor,
        wholes: Tensor,
        sources: Sources,
        netG_B: nn.Module,
        device: torch.device,
        generator: torch.Generator,
    ) -> None:
        self.recipe, self.features, self.netG_B, self.device = recipe, features, netG_B, device
        self.drawings, self.sources, self.parser = drawings, sources, parser
        shown, around = (to_float(pixels).to(device) for pixels in (drawings, wholes))
        self.target = DrawingFeatures(
            shown, self._both_scales, generator, recipe.lambda_swd > 0, parser, around
        )
        self.scales = _scales(features, shown) if recipe.lambda_pair else []
        """Mean size of each of the maps that a pair is compared on."""

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
            targets: index of the drawing that each photo is matched with `(B,)`; None for all at once.
            parts: what the parser finds in the photos, `(B, P, h, w)`.
            join: adds what is not here of the batch.
        """
        r = self.recipe
        fakes = G(photos)
        images = fakes.float()
        corner = _corner(draws)
        maps = self._both_scales(_seen(images, corner))
        losses = self._kept(G, photos, images, maps, corner)
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
        return fakes, losses | self._known(G, draws, nothing=0 * images.sum())

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
        return losses

    def _kept(
        self, G: PeftModel, photos: Tensor, images: Tensor, maps: list[Tensor], corner: list[int]
    ) -> Losses:
        """What stays as it is in the photo, or in what the base draws of it: contours, light and dark."""
        r, losses = self.recipe, dict[str, Tensor]()
        if not (r.lambda_content or r.lambda_tone):
            return losses
        with torch.no_grad():
            kept = photos if r.content_from == "photo" else _without_adapter(G, photos)
        if r.lambda_content:
            with torch.no_grad():
                source = self.features(_seen(kept, corner))[CONTENT_LAYER].float()
            losses["content"] = r.lambda_content * content_loss(maps[CONTENT_LAYER], source)
        if r.lambda_tone:
            losses["tone"] = r.lambda_tone * tone_loss(images, kept.float())
        return losses

    def _known(self, G: PeftModel, draws: Draws, nothing: Tensor) -> Losses:
        """Losses with a known answer: a pseudo-photo back to its drawing, a drawing to itself.

        Args:
            nothing: what they are where these photos' places have none; a zero with a gradient.
        """
        r, losses = self.recipe, dict[str, Tensor]()
        if not (r.lambda_pair or r.lambda_identity):
            return losses
        wanted = {"pair": r.lambda_pair, "identity": r.lambda_identity}
        ours, total = _every_second(draws)
        if not len(ours):
            return {name: nothing for name, weight in wanted.items() if weight}
        index = ours.randint(len(self.drawings))
        both = shifted(torch.cat([self.drawings[index], self.sources.pairs[index]], 1), ours)
        drawings, photos = to_float(both.to(self.device)).chunk(2, 1)
        # Their share of all that are drawn, as the photos' share of the batch is what the sum is weighted by.
        share = len(ours) / total * draws.total / len(draws)
        if r.lambda_pair:
            losses["pair"] = share * r.lambda_pair * self._pair_loss(G, photos, drawings)
        if r.lambda_identity:
            losses["identity"] = share * r.lambda_identity * F.l1_loss(G(drawings).float(), drawings)
        return losses

    def _pair_loss(self, G: PeftModel, photos: Tensor, drawings: Tensor) -> Tensor:
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
def _scales(features: PerceptualNet, drawings: Tensor, batch: int = 16) -> list[Tensor]:
    """Mean absolute value of each of the first maps of drawings `(N, 3, S, S)` in [-1, 1]."""
    parts = drawings.split(batch)
    sums = [[m.abs().mean() * len(part) for m in features((part + 1) / 2)[:_PAIRED]] for part in parts]
    return [torch.stack(layer).sum() / len(drawings) for layer in zip(*sums, strict=True)]


def with_parts(images: Tensor, parts: Tensor | None) -> Tensor:
    """Pictures `(B, 3, S, S)` and, in [-1, 1], the probability of each part of a face as further channels."""
    if parts is None:
        return images
    return torch.cat([images, 2 * F.interpolate(parts, images.shape[-2:], mode="bilinear") - 1], 1)


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

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
from fewshot.data.augment import differentiable, random_crop_flip, to_float
from fewshot.training.drawing_features import DrawingFeatures
from fewshot.training.sources import Sources
from recipes import Recipe

CONTENT_LAYER = 2
"""fire5: fine enough to keep the eyes where they are, coarse enough to let strokes differ."""
SHALLOW = slice(1, 3)
"""Maps that the discriminator on features sees: strokes and not faces, since one drawing has one layout."""
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

    def of(
        self,
        G: PeftModel,
        D: nn.ModuleDict,
        photos: Tensor,
        generator: torch.Generator,
        targets: Tensor | None = None,
        parts: Tensor | None = None,
    ) -> tuple[Tensor, Losses]:
        """Results of photos `(B, 3, S, S)` in [-1, 1] and their weighted losses, all of which are added up.

        Args:
            G: the generator with its adapter.
            D: the discriminators, whose parameters get no gradient here.
            photos: on the device.
            generator: CPU generator of this step.
            targets: index of the drawing that each photo is matched with `(B,)`; None for all at once.
            parts: what the parser finds in the photos, `(B, P, h, w)`.
        """
        r = self.recipe
        fakes = G(photos)
        images = fakes.float()
        corner = torch.randint(0, 2, (2,), generator=generator).tolist()
        maps = self._both_scales(_seen(images, corner))
        losses = self._kept(G, photos, images, maps, corner)
        losses |= self._style(images, maps, generator, targets, parts)
        if r.lambda_gan:
            seen = differentiable(with_parts(images, parts), r.augment, generator)
            losses["gan"] = r.lambda_gan * lsgan_generator(D["patch"](seen))
        if r.lambda_feature:
            losses["feature"] = r.lambda_feature * lsgan_generator(_scores(D["feature"], maps))
        if r.lambda_cycle:
            losses["cycle"] = r.lambda_cycle * cycle_loss(self.netG_B(fakes), photos)
        if r.grey:
            losses["grey"] = GREY * (images - images.mean(1, keepdim=True)).abs().mean()
        if r.lambda_tv:
            losses["tv"] = r.lambda_tv * total_variation(images)
        return fakes, losses | self._known(G, generator)

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
        generator: torch.Generator,
        targets: Tensor | None,
        parts: Tensor | None,
    ) -> Losses:
        """Statistics of the drawings' features: of the batch, of each result, and the values themselves."""
        r, losses = self.recipe, {}
        if r.lambda_style:
            losses["style"] = r.lambda_style * self.target.style_loss(maps)
        if r.lambda_outlier:
            losses["outlier"] = r.lambda_outlier * self.target.outlier_loss(maps)
        if r.lambda_swd:
            losses["swd"] = r.lambda_swd * self.target.swd(images, maps, generator, targets, parts)
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

    def _known(self, G: PeftModel, generator: torch.Generator) -> Losses:
        """Losses with a known answer: a pseudo-photo back to its drawing, a drawing to itself."""
        r, losses = self.recipe, dict[str, Tensor]()
        if not (r.lambda_pair or r.lambda_identity):
            return losses
        count = max(1, r.batch // 2)
        index = torch.randint(0, len(self.drawings), (count,), generator=generator)
        both = shifted(torch.cat([self.drawings[index], self.sources.pairs[index]], 1), generator)
        drawings, photos = to_float(both.to(self.device)).chunk(2, 1)
        if r.lambda_pair:
            redrawn = G(photos.contiguous(memory_format=torch.channels_last))
            ours, theirs = (self.features((x.float() + 1) / 2) for x in (redrawn, drawings))
            layers = zip(ours[:3], theirs[:3], strict=True)
            feature_terms = torch.stack([F.l1_loss(o, t) / t.abs().mean() for o, t in layers]).mean()
            losses["pair"] = r.lambda_pair * (F.l1_loss(redrawn.float(), drawings) + feature_terms)
        if r.lambda_identity:
            losses["identity"] = r.lambda_identity * F.l1_loss(G(drawings).float(), drawings)
        return losses


def shifted(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Each uint8 picture `(B, C, S, S)` moved by up to a sixteenth of the side, half of them mirrored."""
    side = pixels.shape[-1]
    padded = F.pad(pixels.float(), (side // 16,) * 4, mode="reflect").to(torch.uint8)
    return random_crop_flip(padded, side, generator)


def with_parts(images: Tensor, parts: Tensor | None) -> Tensor:
    """Pictures `(B, 3, S, S)` and, in [-1, 1], the probability of each part of a face as further channels."""
    if parts is None:
        return images
    return torch.cat([images, 2 * F.interpolate(parts, images.shape[-2:], mode="bilinear") - 1], 1)


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

"""What judges an adaptation's results: a patch discriminator, and one on features."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from base_models.checkpoint import BaseModel
from base_models.discriminators import FeatureDiscriminator, PatchGAN
from base_models.scan import init_weights
from eval.perceptual import CHANNELS, PerceptualNet
from fewshot.errors import BadInputError
from fewshot.training.parts import widened
from recipes import Recipe

SHALLOW = slice(1, 3)
"""Maps that the discriminator on features sees: strokes and not faces, since one drawing has one layout."""


def build_discriminators(
    base: BaseModel, recipe: Recipe, features: PerceptualNet, parts: int
) -> nn.ModuleDict:
    """Those that the recipe has weights for, by name: `patch`, `feature`.

    The patch discriminator starts from scratch, or from the base's with its first two layers frozen (FreezeD,
    arXiv 2002.10964); where pictures have further channels, which the base's does not know, the second alone.

    Args:
        features: frozen network that the one on features reads.
        parts: further channels that pictures have.

    Raises:
        BadInputError: the recipe starts from the base's, which has none.
    """
    nets, inputs = nn.ModuleDict(), 3 + parts
    if recipe.lambda_gan and recipe.d_start == "base" and base.netD_B is None:
        raise BadInputError(
            f"d_start=base: {base.name} has no discriminators beside it (NAME.netD.safetensors)",
            "put that file beside the base, or take d_start=scratch",
        )
    if recipe.lambda_gan and recipe.d_start == "base" and base.netD_B is not None:
        start = copy.deepcopy(base.netD_B)
        first = start.body[0]
        assert isinstance(first, nn.Conv2d)
        start.body[0] = widened(first, inputs)
        start.body[:5].requires_grad_(False)
        start.body[0].requires_grad_(parts > 0)
        nets["patch"] = start
    elif recipe.lambda_gan:
        nets["patch"] = init_weights(PatchGAN(inputs, recipe.d_channels, 3))
    if recipe.lambda_feature:

        def strokes(images: Tensor) -> list[Tensor]:
            return features(images[:, :3])[SHALLOW]

        nets["feature"] = init_weights(FeatureDiscriminator(strokes, list(CHANNELS)[SHALLOW], width=32))
    return nets

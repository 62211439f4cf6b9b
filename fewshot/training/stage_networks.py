"""The networks of one stage of a cycle-consistent pair, and the losses of both of its updates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from base_models.architectures import Architecture
from base_models.checkpoint import build_discriminator
from base_models.discriminators import FeatureDiscriminator
from base_models.losses import (
    colour_loss,
    content_loss,
    cycle_loss,
    gradient_penalty,
    lsgan_discriminator,
    lsgan_generator,
)
from base_models.scan import RefinementStage, StackedGenerator, init_weights
from eval.perceptual import CHANNELS, PerceptualNet
from fewshot.data.augment import differentiable, uniform
from fewshot.data.draws import Rng
from fewshot.training.batches import Tensors
from fewshot.training.parts import frozen, halves
from fewshot.training.pretrain_config import PretrainConfig

Maps = dict[str, list[Tensor]]
"""Perceptual feature maps of side A and side B."""


@dataclass(frozen=True)
class Results:
    """What the generators' update leaves for the discriminators'."""

    fakes: Tensors
    """fake_A and fake_B by side."""
    real_maps: Maps
    """Features of the pictures."""
    fake_maps: Maps
    """Features of the results."""

    def detached(self, *, with_maps: bool = True) -> Results:
        """The same without what computed it, which would keep its memory.

        Args:
            with_maps: keep the features; those of all pieces of a batch would be more than a piece takes.
        """
        if not with_maps:
            return Results({side: fake.detach() for side, fake in self.fakes.items()}, {}, {})
        fake_maps = {side: [m.detach() for m in maps] for side, maps in self.fake_maps.items()}
        return Results({side: fake.detach() for side, fake in self.fakes.items()}, self.real_maps, fake_maps)


class StageNet(nn.Module):
    """Stage `index` of a generator with everything below it frozen; trains only that stage.

    `forward` takes pictures at the stage's own size. The stages below are finished. With the skip connection
    the picture reaches this stage directly and no gradient is sent through them, to save time; without it
    they are the only way from the picture to the result, and the cycle loss needs it.
    """

    def __init__(self, generator: StackedGenerator, index: int) -> None:
        super().__init__()
        # In a tuple, so that its weights are no parameters of this module.
        self._generator = (generator,)
        self.index = index
        self.stage = generator.stages[index]
        self.through_lower = isinstance(self.stage, RefinementStage) and not self.stage.skip

    @property
    def generator(self) -> StackedGenerator:
        """The whole of which this is a stage."""
        return self._generator[0]

    def forward(self, x: Tensor) -> Tensor:
        parts = self.generator.find_parts(x, self.index + 1)
        if self.index == 0:
            return self.stage(x, parts)
        with torch.set_grad_enabled(self.through_lower and torch.is_grad_enabled()):
            lower = self.generator.forward_first(F.avg_pool2d(x, 2), self.index, parts)
            below = F.interpolate(lower, scale_factor=2, mode="bilinear")
        return self.stage(x, below, parts)


class StageNetworks:
    """Generators, discriminators and frozen features of one stage, both directions.

    Args:
        netG_A, netG_B: whole generators; only stage `index` is trained.
        index: stage, from 0.
        perceptual: frozen features for the content term and the feature discriminators, or None.
        device: where the networks go.
    """

    def __init__(
        self,
        netG_A: StackedGenerator,
        netG_B: StackedGenerator,
        index: int,
        config: PretrainConfig,
        architecture: Architecture,
        perceptual: PerceptualNet | None,
        device: torch.device,
    ) -> None:
        self.config, self.perceptual = config, perceptual
        self.index, self.size = index, architecture.stages[index].size
        self.G = nn.ModuleDict({"A": StageNet(netG_A, index), "B": StageNet(netG_B, index)})
        self.D = nn.ModuleDict({side: build_discriminator(architecture) for side in "AB"})
        self.F = nn.ModuleDict()
        if perceptual is not None and config.lambda_feature:
            for side in "AB":
                self.F[side] = FeatureDiscriminator(lambda x: perceptual(x)[1:], CHANNELS[1:])
                init_weights(self.F[side])
        for module in (self.G, self.D, self.F):
            module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def all_networks(self) -> Iterator[nn.Module]:
        """Whatever has weights, those of the stages below included."""
        yield from (self.D, self.F)
        yield from (cast(StageNet, net).generator for net in self.G.values())
        if self.perceptual is not None:
            yield self.perceptual

    def generator_losses(self, pictures: Tensors, rng: Rng | None) -> tuple[Results, Tensors]:
        """Both translations, and what the generators are to make small.

        Args:
            pictures: `Batch.tensors`.
            rng: for the augmentation; None draws from the device's own numbers.
        """
        with torch.no_grad():
            real = {side: self._maps(pictures[f"real_{side}"]) for side in "AB"}
        with frozen(self.D, self.F):
            return self._generator_losses(pictures, real, rng)

    def _generator_losses(self, pictures: Tensors, real: Maps, rng: Rng | None) -> tuple[Results, Tensors]:
        c = self.config
        real_A, real_B = pictures["real_A"], pictures["real_B"]
        fake_B, fake_A = self.G["A"](pictures.get("seen_A", real_A)), self.G["B"](real_B)
        rec_A, rec_B = self.G["B"](fake_B), self.G["A"](fake_A)
        losses = {
            "cycle_A": c.lambda_cycle * cycle_loss(rec_A, real_A),
            "cycle_B": c.lambda_cycle * cycle_loss(rec_B, real_B),
        }
        if c.lambda_identity:
            losses["idt_A"] = c.lambda_identity * F.l1_loss(self.G["A"](real_B), real_B)
            losses["idt_B"] = c.lambda_identity * F.l1_loss(self.G["B"](real_A), real_A)
        if c.lambda_colour:
            losses["colour_A"] = c.lambda_colour * colour_loss(fake_B, real_A)
            losses["colour_B"] = c.lambda_colour * colour_loss(fake_A, real_B)
        fakes, maps = {"A": fake_A, "B": fake_B}, {}
        for side, source, fake in (("A", "B", fake_A), ("B", "A", fake_B)):
            seen = differentiable(fake, c.augment, rng)
            losses[f"gan_{side}"] = lsgan_generator(self.D[side](seen))
            if self.perceptual is None:
                continue
            maps[side] = self._maps(fake)
            if c.lambda_feature:
                scores = self._feature_scores(side, maps[side])
                losses[f"feature_{side}"] = c.lambda_feature * lsgan_generator(scores)
            if c.lambda_content:
                losses[f"content_{side}"] = c.lambda_content * content_loss(maps[side][1], real[source][1])
        return Results(fakes, real, maps), losses

    def discriminator_losses(
        self, pictures: Tensors, results: Results, shown: Tensors, rng: Rng | None
    ) -> Tensors:
        """What the discriminators are to make small.

        Args:
            shown: results of this step and earlier ones by side, out of the pools.
            pictures, results, rng: as `generator_losses` took and gave them.
        """
        c, losses = self.config, {}
        for side in "AB":
            real = pictures[f"real_{side}"]
            fake = shown[side].to(real.dtype)
            real_seen, fake_seen = (differentiable(images, c.augment, rng) for images in (real, fake))
            scores = self.D[side](torch.cat([real_seen, fake_seen]))
            losses[f"D_{side}"] = lsgan_discriminator(*halves(scores))
            if c.lambda_penalty:
                mix = uniform(len(real), 0, 1, real, rng)
                penalty = gradient_penalty(self.D[side], real, fake, mix)
                losses[f"penalty_{side}"] = c.lambda_penalty * penalty
            if side in self.F:
                real_maps = self._kept(results.real_maps, side, real)
                fake_maps = self._kept(results.fake_maps, side, results.fakes[side])
                pairs = zip(real_maps, fake_maps, strict=True)
                scores = self._feature_scores(side, [torch.cat(maps) for maps in pairs])
                losses[f"F_{side}"] = lsgan_discriminator(*halves(scores))
        return losses

    @torch.no_grad()
    def _kept(self, maps: Maps, side: str, images: Tensor) -> list[Tensor]:
        """Maps that the generators' update left, or computed again."""
        return maps[side] if maps else self._maps(images)

    def _maps(self, images: Tensor) -> list[Tensor]:
        """The perceptual maps that losses use, none without a perceptual network."""
        return [] if self.perceptual is None else self.perceptual((images.float() + 1) / 2)[1:]

    def _feature_scores(self, side: str, maps: list[Tensor]) -> list[Tensor]:
        return cast(FeatureDiscriminator, self.F[side]).score(maps)

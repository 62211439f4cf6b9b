"""One stage of a cycle-consistent pair in training: networks, optimizers, losses and the step."""

from __future__ import annotations

from typing import Any, cast

import torch
from accelerate import Accelerator
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
from fewshot.data.augment import differentiable
from fewshot.training.batches import Batch
from fewshot.training.parts import ImagePool, WeightAverage, average_gradients, frozen, step_generator
from fewshot.training.pretrain_config import PretrainConfig

Maps = dict[str, list[Tensor]]
"""Perceptual feature maps of side A and side B."""


class StageNet(nn.Module):
    """Stage `index` of a generator with everything below it frozen; trains only that stage.

    `forward` takes pictures at the stage's own size. The stages below are finished. With the skip connection
    the picture reaches this stage directly and no gradient is sent through them, to save time; without it
    they are the only way from the picture to the result, and the cycle loss needs it.
    """

    def __init__(self, generator: StackedGenerator, index: int) -> None:
        super().__init__()
        self._generator = (generator,)
        self.index = index
        self.stage = generator.stages[index]
        self.through_lower = isinstance(self.stage, RefinementStage) and not self.stage.skip

    def forward(self, x: Tensor) -> Tensor:
        if self.index == 0:
            return self.stage(x)
        with torch.set_grad_enabled(self.through_lower and torch.is_grad_enabled()):
            lower = self._generator[0].forward_first(F.avg_pool2d(x, 2), self.index)
            below = F.interpolate(lower, scale_factor=2, mode="bilinear")
        return self.stage(x, below)


class StageTrainer:
    """The state and the step of one stage, both directions.

    Args:
        netG_A, netG_B: whole generators; only stage `index` is trained.
        index: stage, from 0.
        perceptual: frozen features for the content term and the feature discriminators, or None.
        accelerator: an `accelerate.Accelerator`.
    """

    def __init__(
        self,
        netG_A: StackedGenerator,
        netG_B: StackedGenerator,
        index: int,
        config: PretrainConfig,
        architecture: Architecture,
        perceptual: PerceptualNet | None,
        accelerator: Accelerator,
    ) -> None:
        self.config, self.index, self.accelerator, self.perceptual = config, index, accelerator, perceptual
        device = accelerator.device
        self.G = nn.ModuleDict({"A": StageNet(netG_A, index), "B": StageNet(netG_B, index)})
        self.D = nn.ModuleDict(
            {"A": build_discriminator(architecture), "B": build_discriminator(architecture)}
        )
        self.F = nn.ModuleDict()
        if perceptual is not None and config.lambda_feature:
            for side in "AB":
                self.F[side] = FeatureDiscriminator(lambda x: perceptual(x)[1:], CHANNELS[1:])
                init_weights(self.F[side])
        for module in (self.G, self.D, self.F):
            module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer_G = self._adam([*self.G.parameters()])
        self.optimizer_D = self._adam([*self.D.parameters(), *self.F.parameters()])
        self.ema = WeightAverage(self.G, config.ema)
        self.pools = {side: ImagePool(config.pool) for side in "AB"}

    def _adam(self, parameters: list[nn.Parameter]) -> Any:
        betas = (self.config.beta1, 0.999)
        # Prepared, so that float16's loss scale is taken off the gradients before the step.
        return self.accelerator.prepare_optimizer(
            torch.optim.Adam(parameters, lr=self.config.lr, betas=betas)
        )

    def step(self, batch: Batch, number: int, progress: float) -> dict[str, float]:
        """One update of both generators, then of all discriminators (CycleGAN's order).

        Args:
            number: step of this stage, from 0; with the seed it decides every random choice.
            progress: fraction of the stage that is done, for the learning rate.

        Returns:
            The losses' values.
        """
        for optimizer in (self.optimizer_G, self.optimizer_D):
            for group in optimizer.param_groups:
                group["lr"] = self.config.lr * min(1.0, 2 * (1 - progress))
        if number < self.config.warmup:
            for group in self.optimizer_G.param_groups:
                group["lr"] *= number / self.config.warmup
        generator = step_generator(self.config.seed, self.index, number, self.accelerator.process_index)
        with self.accelerator.autocast():
            with torch.no_grad():
                real = {"A": self._maps(batch.real_A), "B": self._maps(batch.real_B)}
            with frozen(self.D, self.F):
                fakes, maps, losses = self._generator_losses(batch, real, generator)
        self._update(self.optimizer_G, losses)
        self.ema.update(self.G)
        with self.accelerator.autocast():
            d_losses = self._discriminator_losses(batch, fakes, real, maps, generator)
        self._update(self.optimizer_D, d_losses)
        losses |= d_losses
        # One transfer from the device instead of one for each loss.
        values = torch.stack([value.detach().float() for value in losses.values()]).tolist()
        return dict(zip(losses, values, strict=True))

    def _maps(self, images: Tensor) -> list[Tensor]:
        """The perceptual maps that losses use, none without a perceptual network."""
        return [] if self.perceptual is None else self.perceptual((images.float() + 1) / 2)[1:]

    def _feature_scores(self, side: str, maps: list[Tensor]) -> list[Tensor]:
        return cast(FeatureDiscriminator, self.F[side]).score(maps)

    def _update(self, optimizer: Any, losses: dict[str, Tensor]) -> None:
        optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(torch.stack(list(losses.values())).sum())
        average_gradients(self.accelerator, (p for group in optimizer.param_groups for p in group["params"]))
        optimizer.step()

    def _generator_losses(
        self, batch: Batch, real: Maps, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Maps, dict[str, Tensor]]:
        c = self.config
        seen_A = batch.real_A if batch.seen_A is None else batch.seen_A
        fake_B, fake_A = self.G["A"](seen_A), self.G["B"](batch.real_B)
        rec_A, rec_B = self.G["B"](fake_B), self.G["A"](fake_A)
        losses = {
            "cycle_A": c.lambda_cycle * cycle_loss(rec_A, batch.real_A),
            "cycle_B": c.lambda_cycle * cycle_loss(rec_B, batch.real_B),
        }
        if c.lambda_identity:
            losses["idt_A"] = c.lambda_identity * F.l1_loss(self.G["A"](batch.real_B), batch.real_B)
            losses["idt_B"] = c.lambda_identity * F.l1_loss(self.G["B"](batch.real_A), batch.real_A)
        if c.lambda_colour:
            losses["colour_A"] = c.lambda_colour * colour_loss(fake_B, batch.real_A)
            losses["colour_B"] = c.lambda_colour * colour_loss(fake_A, batch.real_B)
        fakes, maps = {"A": fake_A, "B": fake_B}, {}
        for side, source, fake in (("A", "B", fake_A), ("B", "A", fake_B)):
            seen = differentiable(fake, c.augment, generator)
            losses[f"gan_{side}"] = lsgan_generator(self.D[side](seen))
            if self.perceptual is None:
                continue
            maps[side] = self._maps(fake)
            if c.lambda_feature:
                scores = self._feature_scores(side, maps[side])
                losses[f"feature_{side}"] = c.lambda_feature * lsgan_generator(scores)
            if c.lambda_content:
                losses[f"content_{side}"] = c.lambda_content * content_loss(maps[side][1], real[source][1])
        return fakes, maps, losses

    def _discriminator_losses(
        self,
        batch: Batch,
        fakes: dict[str, Tensor],
        real_maps: Maps,
        fake_maps: Maps,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        c, losses = self.config, {}
        for side, real in (("A", batch.real_A), ("B", batch.real_B)):
            fake = self.pools[side].query(fakes[side].detach(), generator).to(real.dtype)
            real_seen, fake_seen = (differentiable(images, c.augment, generator) for images in (real, fake))
            scores = self.D[side](torch.cat([real_seen, fake_seen]))
            losses[f"D_{side}"] = lsgan_discriminator(*scores.chunk(2))
            if c.lambda_penalty:
                penalty = gradient_penalty(self.D[side], real, fake, generator)
                losses[f"penalty_{side}"] = c.lambda_penalty * penalty
            if side in self.F:
                real_scores = self._feature_scores(side, real_maps[side])
                fake_scores = self._feature_scores(side, [m.detach() for m in fake_maps[side]])
                losses[f"F_{side}"] = lsgan_discriminator(real_scores, fake_scores)
        return losses

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed stage needs but the pools, which belong to each process."""
        parts = ("G", "D", "F", "optimizer_G", "optimizer_D", "ema")
        state = {name: getattr(self, name).state_dict() for name in parts}
        if self.accelerator.scaler is not None:
            state["scaler"] = self.accelerator.scaler.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        for name, value in state.items():
            target = self.accelerator.scaler if name == "scaler" else getattr(self, name)
            if target is not None:
                target.load_state_dict(value)

"""The state and the step of an adaptation: an adapter on netG_A, a small discriminator, and the losses."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from base_models.checkpoint import BaseModel
from base_models.discriminators import FeatureDiscriminator, PatchGAN
from base_models.losses import lsgan_discriminator
from base_models.scan import init_weights
from eval.face_parsing import PARTS, FaceParser
from eval.perceptual import CHANNELS, PerceptualNet
from fewshot.adapters.attach import attach_adapter
from fewshot.data.augment import differentiable, jitter, photographic, to_float, to_uint8
from fewshot.data.style_set import StyleSet
from fewshot.training.matching import targets_of
from fewshot.training.parts import WeightAverage, average_gradients, frozen, step_generator, widened
from fewshot.training.sources import Sources
from fewshot.training.style_losses import SHALLOW, StyleLosses, shifted, with_parts
from recipes import Recipe

_RESUMED = ("D", "optimizer_G", "optimizer_D", "ema")


class StyleTrainer:
    """Everything one adaptation updates.

    Args:
        base: the base model; its own weights stay as they are.
        recipe: every knob.
        drawings: the artist's training drawings.
        sources: photos to redraw and pseudo-pairs.
        features: frozen network, RGB in [0, 1] to four maps, as `eval.perceptual`.
        parser: finds the parts of a face for `by_parts`; None: the recipe does without.
        accelerator: an `accelerate.Accelerator`.
    """

    def __init__(
        self,
        base: BaseModel,
        recipe: Recipe,
        drawings: StyleSet,
        sources: Sources,
        features: PerceptualNet,
        parser: FaceParser | None,
        accelerator: Any,
    ) -> None:
        self.recipe, self.accelerator = recipe, accelerator
        self.features, self.parser = features, parser
        self.drawings, self.sources = drawings.tensor(), sources
        self.names = [picture.path.name for picture in drawings.pictures]
        device = accelerator.device
        torch.manual_seed(recipe.seed)
        self.G: PeftModel = attach_adapter(
            base.netG_A,
            method=recipe.method,
            rank=recipe.rank,
            alpha=recipe.alpha,
            train_norms=recipe.train_norms,
            base_sha256=base.sha256,
        )
        self.netG_B = base.netG_B.requires_grad_(False).to(device)
        self.D = self._discriminators(base)
        for module in (self.G, self.D):
            module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.method == "boft":
            # PEFT's BOFT takes views of its weights, which only contiguous ones have.
            self.G.to(memory_format=torch.contiguous_format)
        trainable = [p for p in self.G.parameters() if p.requires_grad]
        self.optimizer_G = torch.optim.Adam(trainable, lr=recipe.lr, betas=(0.5, 0.99))
        judging = [p for p in self.D.parameters() if p.requires_grad]
        # A recipe may do without a discriminator; Adam wants something to hold.
        self.optimizer_D = torch.optim.Adam(
            judging or [nn.Parameter(torch.zeros(0))], lr=recipe.lr_d, betas=(0.5, 0.99)
        )
        self.ema = WeightAverage(self.G, recipe.ema)
        matched = recipe.lambda_swd and recipe.swd_target == "matched"
        self.targets = targets_of(sources) if matched else None
        """Index of the drawing that each source photo's result is compared with."""
        self.losses = StyleLosses(
            recipe,
            features,
            parser,
            self.drawings,
            drawings.wholes(),
            sources,
            self.netG_B,
            device,
            step_generator(recipe.seed),
        )

    def _discriminators(self, base: BaseModel) -> nn.ModuleDict:
        """The patch discriminator, from scratch or from the base with its first two layers frozen (FreezeD,
        arXiv 2002.10964), and the one on features."""
        recipe = self.recipe
        nets = nn.ModuleDict()
        inputs = 3 + (len(PARTS) if self.parser else 0)
        if recipe.lambda_gan:
            if recipe.d_start == "base" and base.netD_B is not None:
                start = copy.deepcopy(base.netD_B)
                first = start.body[0]
                assert isinstance(first, nn.Conv2d)
                start.body[0] = widened(first, inputs)
                start.body[:5].requires_grad_(False)
                nets["patch"] = start
            else:
                nets["patch"] = init_weights(PatchGAN(inputs, recipe.d_channels, 3))
        if recipe.lambda_feature:
            heads = FeatureDiscriminator(
                lambda x: self.features(x[:, :3])[SHALLOW], list(CHANNELS)[SHALLOW], width=32
            )
            nets["feature"] = init_weights(heads)
        return nets

    @property
    def trainable(self) -> int:
        """Parameters that training changes, and that the adapter holds."""
        return sum(p.numel() for p in self.G.parameters() if p.requires_grad)

    def step(self, number: int) -> dict[str, float]:
        """One update of the adapter, then one of the discriminators.

        `number`, from 0, decides every random choice together with the seed.
        """
        recipe = self.recipe
        warm, cool = _warm(recipe, number), _cool(recipe, number)
        self.optimizer_G.param_groups[0]["lr"] = recipe.lr * warm * cool
        self.optimizer_D.param_groups[0]["lr"] = recipe.lr_d * cool
        generator = step_generator(recipe.seed, number, self.accelerator.process_index)
        which = self._choose(self.sources.photos, generator)
        photos = self._photos(which, generator)
        reals = self._windows(self.drawings, self._choose(self.drawings, generator), generator)
        targets = None if self.targets is None else self.targets[which]
        parts = self._parts_of(photos)
        with frozen(self.D), self.accelerator.autocast():
            fakes, losses = self.losses.of(self.G, self.D, photos, generator, targets, parts)
        self._update(self.optimizer_G, self.G, losses)
        self.ema.update(self.G)
        d_losses: dict[str, Tensor] = {}
        if self.D:
            shown = with_parts(reals, self._parts_of(reals)), with_parts(fakes.detach().float(), parts)
            with self.accelerator.autocast():
                d_losses = self._discriminator_losses(*shown, generator)
            self._update(self.optimizer_D, self.D, d_losses)
        return {name: float(value.detach()) for name, value in (losses | d_losses).items()}

    def what_broke(self, number: int, losses: dict[str, float]) -> str:
        """In words, which losses of a step are no numbers and which pictures it was shown."""
        generator = step_generator(self.recipe.seed, number, self.accelerator.process_index)
        photos = self._choose(self.sources.photos, generator)
        self._photos(photos, generator)
        drawings = self._choose(self.drawings, generator).tolist()
        wrong = ", ".join(name for name, value in losses.items() if not math.isfinite(value))
        shown = ", ".join(dict.fromkeys(self.names[i] for i in drawings))
        return (
            f"step {number}: {wrong} not finite, with the drawings {shown} and the photos "
            f"{', '.join(map(str, photos.tolist()))}; try a lower rate, such as lr=3e-4"
        )

    @torch.no_grad()
    def _parts_of(self, images: Tensor) -> Tensor | None:
        if self.parser is None:
            return None
        with self.accelerator.autocast():
            return self.parser((images + 1) / 2)

    def _update(self, optimizer: torch.optim.Optimizer, net: nn.Module, losses: dict[str, Tensor]) -> None:
        optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(torch.stack(list(losses.values())).sum())
        average_gradients(self.accelerator, (p for p in net.parameters() if p.requires_grad))
        optimizer.step()

    def _discriminator_losses(
        self, reals: Tensor, fakes: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        losses = {}
        for name, netD in self.D.items():
            seen = [differentiable(images, self.recipe.augment, generator) for images in (reals, fakes)]
            real_scores, fake_scores = (netD(images) for images in seen)
            losses[f"D_{name}"] = lsgan_discriminator(real_scores, fake_scores)
        return losses

    def _choose(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randint(0, len(pixels), (self.recipe.batch,), generator=generator)

    def _photos(self, which: Tensor, generator: torch.Generator) -> Tensor:
        """Photos as they are seen: what netG_B made of drawings gets the variety that others have already."""
        photos = self._windows(self.sources.photos, which, generator)
        shown = jitter(photos, 0.1, generator)
        made = (which < self.sources.made).to(photos.device)
        if self.sources.made:
            shown = torch.where(made[:, None, None, None], photographic(photos, generator), shown)
        return shown.contiguous(memory_format=torch.channels_last)

    def _windows(self, pixels: Tensor, which: Tensor, generator: torch.Generator) -> Tensor:
        """Random windows of the chosen pictures, float in [-1, 1] on the device."""
        windows = shifted(pixels[which], generator).to(self.accelerator.device)
        return to_float(windows).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def redraw(self, photos: Tensor, batch: int = 8) -> Tensor:
        """uint8 photos `(N, 3, S, S)` as the averaged weights draw them, uint8 on the CPU."""
        device = self.accelerator.device
        with self.ema.applied(self.G):
            return torch.cat([to_uint8(self.G(to_float(p).to(device))).cpu() for p in photos.split(batch)])

    def adapter_tensors(self) -> dict[str, Tensor]:
        """The averaged adapter under the names of the live model's parameters."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.ema.shadow.items()}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: adapter and discriminators, optimizers, average."""
        adapter = {name: p.detach() for name, p in self.G.named_parameters() if p.requires_grad}
        return {"adapter": adapter} | {name: getattr(self, name).state_dict() for name in _RESUMED}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.G.load_state_dict(state["adapter"], strict=False)
        for name in _RESUMED:
            getattr(self, name).load_state_dict(state[name])


def _warm(recipe: Recipe, number: int) -> float:
    # A run that is shorter than its warm-up warms up for half of it.
    return min(1.0, (number + 1) / max(1, min(recipe.warmup_steps, recipe.steps // 2)))


def _cool(recipe: Recipe, number: int) -> float:
    return min(1.0, (recipe.steps - number) / max(1.0, recipe.cooldown * recipe.steps))

"""The state and the step of an adaptation: an adapter on netG_A, a small discriminator, and the losses."""

from __future__ import annotations

import math
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from base_models.checkpoint import BaseModel
from base_models.losses import lsgan_discriminator
from eval.face_parsing import PARTS, FaceParser
from eval.perceptual import PerceptualNet
from fewshot.adapters.attach import attach_adapter
from fewshot.data.augment import differentiable, to_float, to_uint8
from fewshot.data.draws import Draws
from fewshot.data.style_set import StyleSet
from fewshot.evaluation.features import gather_rows
from fewshot.training.drawing_parser import DrawingParser
from fewshot.training.global_batch import ALONE, Choice, GlobalBatch, Join, Rehearsal
from fewshot.training.matching import targets_of
from fewshot.training.memory import fit_memory
from fewshot.training.parts import (
    WeightAverage,
    frozen,
    halves,
    loss_scale,
    restore_loss_scale,
    settled,
    step_generator,
    update,
)
from fewshot.training.rates import adapter_rate, discriminator_rate, grouped, set_rate
from fewshot.training.shown import Pictures, Shown
from fewshot.training.sources import Sources
from fewshot.training.style_discriminators import build_discriminators
from fewshot.training.style_losses import StyleLosses, with_parts
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
        self.drawings, self.sources, self.features = drawings.tensor(), sources, features
        self.parser = None if parser is None else DrawingParser(parser, self.drawings)
        self.names = [picture.path.name for picture in drawings.pictures]
        device, wholes = accelerator.device, drawings.wholes()
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
        self.D = build_discriminators(base, recipe, features, len(PARTS) if parser else 0)
        for module in (self.G, self.D):
            module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.method == "boft":
            # PEFT's BOFT takes views of its weights, which only contiguous ones have.
            self.G.to(memory_format=torch.contiguous_format)
        # A recipe may do without a discriminator; Adam wants something to hold.
        judging = [p for p in self.D.parameters() if p.requires_grad] or [nn.Parameter(torch.zeros(0))]
        # Prepared, so that float16's loss scale is taken off the gradients before the step.
        self.optimizer_G, self.optimizer_D = (
            accelerator.prepare_optimizer(torch.optim.Adam(weights, lr=lr, betas=(0.5, 0.99)))
            for weights, lr in ((grouped(self.G), recipe.lr), (judging, recipe.lr_d))
        )
        self.ema = WeightAverage(self.G, recipe.ema)
        targets = None
        if recipe.lambda_swd and recipe.swd_target == "matched":
            targets = targets_of(sources, self.drawings, wholes, self.parser, recipe.own_colours)
        self.last = recipe.steps
        """Steps that there are to be."""
        self.batch = GlobalBatch(accelerator, recipe.batch)
        self.pictures = Pictures(
            self.drawings,
            sources,
            targets,
            self.batch,
            recipe.seed,
            self._parts_of,
            device,
        )
        drawn = (self.drawings, wholes, sources)
        once = step_generator(recipe.seed)
        self.losses = StyleLosses(recipe, features, self.parser, *drawn, self.netG_B, device, once)

    @property
    def trainable(self) -> int:
        """Parameters that training changes, and that the adapter holds."""
        return sum(p.numel() for p in self.G.parameters() if p.requires_grad)

    def step(self, number: int) -> dict[str, float]:
        """One update of the adapter, then one of the discriminators; losses over the whole batch.

        `number`, from 0, decides every random choice together with the seed.
        """
        recipe = self.recipe
        set_rate(self.optimizer_G, adapter_rate(recipe, number, self.last))
        set_rate(self.optimizer_D, discriminator_rate(recipe, number, self.last))
        shown = self.pictures.of(number)
        fakes, losses = self._update_adapter(shown, number)
        self.ema.update(self.G)
        if self.D:
            losses |= self._update_discriminators(shown, fakes, number)
        return {name: float(value) for name, value in self.batch.mean(losses).items()}

    def what_broke(self, number: int, losses: dict[str, float]) -> str:
        """In words, which losses of a step are no numbers and which pictures it was shown."""
        photos, drawings = self.pictures.chosen(number)
        wrong = ", ".join(name for name, value in losses.items() if not math.isfinite(value))
        shown = ", ".join(dict.fromkeys(self.names[i] for i in drawings))
        return (
            f"step {number}: {wrong} not finite, with the drawings {shown} and the photos "
            f"{', '.join(map(str, photos))}; try a lower rate, such as lr=3e-4"
        )

    def _update_adapter(self, shown: Shown, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The results, and what the generator's losses were."""
        known = self._rehearse(shown, number) if self.batch.in_pieces and self.losses.look_across else None
        self.optimizer_G.zero_grad(set_to_none=True)
        fakes, total = [], dict[str, Tensor]()
        for piece in self.batch.pieces():
            with frozen(self.D), settled(self.D, unless=piece.start == 0), self.accelerator.autocast():
                drawn, losses = self._losses_of(shown, piece, number, Join(self.batch, piece, known))
            self.batch.backward(losses, piece, total)
            fakes.append(drawn.detach().float())
        update(self.accelerator, self.optimizer_G)
        return torch.cat(fakes), total

    @torch.no_grad()
    def _rehearse(self, shown: Shown, number: int) -> list[Tensor]:
        """What losses that look at the whole batch need of every picture, before the first gradient."""
        rehearsal = Rehearsal(self.batch)
        for piece in self.batch.pieces():
            rehearsal.next_piece()
            here, draws = shown.part(piece), self._draws(number, piece)
            with self.accelerator.autocast():
                self.losses.rehearse(self.G, here.photos, draws, here.targets, here.parts, rehearsal)
        return rehearsal.all_rows()

    def fit_memory(self, limit: float | None) -> None:
        """Compute as many pictures at once as there is memory for; see `memory.fit_memory`."""
        whole, self.batch.at_once = self.batch.at_once, 1
        shown = self.pictures.of(0)
        self.batch.at_once = whole

        def one() -> None:
            with frozen(self.D), settled(self.D), self.accelerator.autocast():
                self._losses_of(shown, slice(0, 1), 0, ALONE)

        fit_memory(self.batch, one, (self.G, self.D, self.netG_B, self.features), limit)

    def _losses_of(
        self, shown: Shown, piece: slice, number: int, join: Join
    ) -> tuple[Tensor, dict[str, Tensor]]:
        here, draws = shown.part(piece), self._draws(number, piece)
        return self.losses.of(self.G, self.D, here.photos, draws, here.targets, here.parts, join)

    def _draws(self, number: int, piece: slice) -> Draws:
        return self.batch.draws(self.recipe.seed, number, Choice.GENERATORS, piece=piece)

    def _update_discriminators(self, shown: Shown, fakes: Tensor, number: int) -> dict[str, Tensor]:
        self.optimizer_D.zero_grad(set_to_none=True)
        total = dict[str, Tensor]()
        for piece in self.batch.pieces():
            here = shown.part(piece)
            sides = with_parts(here.reals, here.real_parts), with_parts(fakes[piece], here.parts)
            with settled(self.D, unless=piece.start == 0), self.accelerator.autocast():
                draws = self.batch.draws(self.recipe.seed, number, Choice.DISCRIMINATORS, piece=piece)
                losses = self._discriminator_losses(*sides, draws)
            self.batch.backward(losses, piece, total)
        update(self.accelerator, self.optimizer_D)
        return total

    def _discriminator_losses(self, reals: Tensor, fakes: Tensor, draws: Draws) -> dict[str, Tensor]:
        losses = {}
        for name, netD in self.D.items():
            # As the step of the generator does: features are those of whole results, which other losses use.
            augment = self.recipe.augment if name == "patch" else ()
            seen = [differentiable(images, augment, draws) for images in (reals, fakes)]
            losses[f"D_{name}"] = lsgan_discriminator(*halves(netD(torch.cat(seen))))
        return losses

    @torch.no_grad()
    def _parts_of(self, images: Tensor, drawn: Tensor) -> Tensor | None:
        if self.parser is None:
            return None
        shown = (images + 1) / 2
        with self.accelerator.autocast():
            parts = torch.cat([self.parser.parser(shown[piece]) for piece in self.batch.pieces()])
        return torch.where(drawn.view(-1, 1, 1, 1), self.parser.corrected(parts, shown), parts)

    @torch.no_grad()
    def redraw(self, photos: Tensor, batch: int = 8) -> Tensor:
        """uint8 photos `(N, 3, S, S)` as the averaged weights draw them, uint8 on the CPU.

        Each process draws its share and gets them all.
        """
        device, accelerator = self.accelerator.device, self.accelerator
        own = photos[accelerator.process_index :: accelerator.num_processes]
        drawn = [photos.new_empty(0, *photos.shape[1:]).to(device)]
        with self.ema.applied(self.G):
            drawn += [to_uint8(self.G(to_float(part).to(device))) for part in own.split(batch) if len(part)]
        return gather_rows(torch.cat(drawn), len(photos), accelerator)

    def adapter_tensors(self) -> dict[str, Tensor]:
        """The averaged adapter under the names of the live model's parameters."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.ema.shadow.items()}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: adapter and discriminators, optimizers, average."""
        adapter = {name: p.detach() for name, p in self.G.named_parameters() if p.requires_grad}
        state = {"adapter": adapter} | {name: getattr(self, name).state_dict() for name in _RESUMED}
        return state | loss_scale(self.accelerator) | {"at_once": self.batch.in_pieces and self.batch.at_once}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.G.load_state_dict(state["adapter"], strict=False)
        for name in _RESUMED:
            getattr(self, name).load_state_dict(state[name])
        restore_loss_scale(self.accelerator, state)
        self.batch.in_pieces_of(state["at_once"])

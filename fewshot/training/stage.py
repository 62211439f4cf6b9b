"""One stage of base training: optimizers, averaged weights, image pools and the step."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from fewshot.data.draws import Draws, Rng
from fewshot.training.batches import Batch, Tensors
from fewshot.training.global_batch import Choice, GlobalBatch
from fewshot.training.graphs import Graphed
from fewshot.training.memory import fit_memory
from fewshot.training.parts import ImagePool, WeightAverage, loss_scale, restore_loss_scale, settled, update
from fewshot.training.stage_networks import Results, StageNetworks

_RESUMED = ("G", "D", "F", "optimizer_G", "optimizer_D", "ema")
START_UP = 5
"""First steps on a GPU: until everything lazy exists (gradients, kernels, cuDNN's choice of algorithms)."""


class StageTrainer:
    """The state and the step of one stage, both directions.

    Args:
        networks: the stage's, on the accelerator's device.
        batch: how the pairs of a step are shared by processes and computed.
    """

    def __init__(self, networks: StageNetworks, batch: GlobalBatch) -> None:
        self.networks, self.batch = networks, batch
        self.accelerator: Accelerator = batch.accelerator
        self.config, self.index, self.size = networks.config, networks.index, networks.size
        self.G, self.D, self.F = networks.G, networks.D, networks.F
        self.graphs: tuple[Graphed, Graphed] | None = None
        self.optimizer_G = self._adam([*self.G.parameters()])
        self.optimizer_D = self._adam([*self.D.parameters(), *self.F.parameters()])
        self.ema = WeightAverage(self.G, self.config.ema)
        self.pools = {side: ImagePool(self.config.pool) for side in "AB"}
        self.steps = 0
        if self.accelerator.device.type == "cuda":
            # All pictures of a stage have one size.
            torch.backends.cudnn.benchmark = True

    @property
    def ready(self) -> bool:
        """Whether steps take as long as they will from now on: on a GPU the first ones do not."""
        return self.accelerator.device.type == "cpu" or self.steps >= START_UP

    @property
    def can_graph(self) -> bool:
        """Whether a step asks nothing of the host while it runs: no exchange, no loss scale, no pieces."""
        alone = self.accelerator.num_processes == 1 and self.accelerator.scaler is None
        return self.accelerator.device.type == "cuda" and alone and not self.batch.in_pieces

    def _adam(self, parameters: list[nn.Parameter]) -> Any:
        # Prepared, so that float16's loss scale is taken off the gradients before the step.
        return self.accelerator.prepare_optimizer(
            torch.optim.Adam(parameters, betas=(self.config.beta1, 0.999), **self._adam_options())
        )

    def _adam_options(self) -> dict[str, Any]:
        if not self.can_graph:
            # On a CPU the fused step is one pass over the weights instead of ten.
            fused = self.accelerator.device.type == "cpu" or None
            return {"lr": self.config.lr, "fused": fused, "capturable": False}
        # A number would be recorded as it is; a tensor can be changed between replays.
        rate = torch.tensor(self.config.lr, device=self.accelerator.device)
        return {"lr": rate, "fused": True, "capturable": True}

    def step(self, batch: Batch, number: int, progress: float) -> Tensors:
        """One update of both generators, then of all discriminators (CycleGAN's order).

        Args:
            number: step of this stage, from 0; with the seed it decides every random choice, except that
                augmentation and penalty draw from the device's own numbers once the step is recorded.
            progress: fraction of the stage that is done, for the learning rate.

        Returns:
            The losses over the whole batch, on the device: to read them is to wait for it. A recorded step
            writes its losses where the one before had them.
        """
        self._set_rates(number, progress)
        if self.graphs is None:
            results, losses = self._update_generators(batch, number)
        else:
            # Recorded random numbers come from the device's own generator.
            torch.cuda.manual_seed(self._draws(number, Choice.GENERATORS).shared.initial_seed())
            result, losses = self.graphs[0](batch.tensors)
            results = [result]
        self.ema.update(self.G)
        shown = self._from_pools(results, number)
        if self.graphs is None:
            losses = losses | self._update_discriminators(batch, results, shown, number)
        else:
            losses = losses | self.graphs[1](shown)
        self.steps += 1
        if self.can_graph and self.graphs is None and self.steps == START_UP:
            del results
            self._record(batch.tensors, shown)
        return self.batch.mean(losses)

    def _draws(self, number: int, choice: Choice, piece: slice | None = None) -> Draws:
        return self.batch.draws(self.config.seed, self.index, number, choice, piece=piece)

    def _from_pools(self, results: list[Results], number: int) -> Tensors:
        """This step's results or earlier ones, by side."""
        draws = self._draws(number, Choice.POOLS)
        fakes = {side: torch.cat([result.fakes[side] for result in results]) for side in "AB"}
        return {side: self.pools[side].query(fake, draws) for side, fake in fakes.items()}

    def fit_memory(self, limit: float | None) -> None:
        """Compute as many pairs at once as there is memory for; see `memory.fit_memory`."""
        blank = torch.zeros(1, 3, self.size, self.size, device=self.accelerator.device)
        pair = Batch(blank, blank).tensors
        networks = [*self.networks.all_networks()]
        with settled(self.D, self.F):
            fit_memory(self.batch, lambda: self._generator_losses(pair, None), networks, limit)

    def _set_rates(self, number: int, progress: float) -> None:
        """Constant for the first half, then falling to zero; the generators' may rise to it."""
        rate = self.config.lr * min(1.0, 2 * (1 - progress))
        warm = min(1.0, number / self.config.warmup) if self.config.warmup else 1.0
        for optimizer, value in ((self.optimizer_G, rate * warm), (self.optimizer_D, rate)):
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(value)
                else:
                    group["lr"] = value

    def _update_generators(self, batch: Batch, number: int) -> tuple[list[Results], Tensors]:
        """The results of each piece of the batch, and the losses."""
        self.optimizer_G.zero_grad(set_to_none=True)
        every, total = [], dict[str, Tensor]()
        for piece in self.batch.pieces():
            draws = self._draws(number, Choice.GENERATORS, piece)
            with settled(self.D, self.F, unless=piece.start == 0):
                results, losses = self._generator_losses(batch.part(piece), draws)
            self.batch.backward(losses, piece, total)
            every.append(results.detached(with_maps=not self.batch.in_pieces))
        update(self.accelerator, self.optimizer_G)
        return every, total

    def _update_discriminators(
        self, batch: Batch, results: list[Results], shown: Tensors, number: int
    ) -> Tensors:
        self.optimizer_D.zero_grad(set_to_none=True)
        total = dict[str, Tensor]()
        for piece, result in zip(self.batch.pieces(), results, strict=True):
            draws = self._draws(number, Choice.DISCRIMINATORS, piece)
            old = {side: fakes[piece] for side, fakes in shown.items()}
            with settled(self.D, self.F, unless=piece.start == 0):
                losses = self._discriminator_losses(batch.part(piece), result, old, draws)
            self.batch.backward(losses, piece, total)
        update(self.accelerator, self.optimizer_D)
        return total

    def _generator_losses(self, pictures: Tensors, rng: Rng | None) -> tuple[Results, Tensors]:
        with self.accelerator.autocast():
            return self.networks.generator_losses(pictures, rng)

    def _discriminator_losses(
        self, pictures: Tensors, results: Results, shown: Tensors, rng: Rng | None
    ) -> Tensors:
        with self.accelerator.autocast():
            return self.networks.discriminator_losses(pictures, results, shown, rng)

    def _record(self, pictures: Tensors, shown: Tensors) -> None:
        """Both updates as CUDA graphs; the second reads what the first leaves in place."""

        def generators(given: Tensors) -> tuple[Results, Tensors]:
            self.optimizer_G.zero_grad(set_to_none=True)
            results, losses = self._generator_losses(given, None)
            self.accelerator.backward(torch.stack(list(losses.values())).sum())
            update(self.accelerator, self.optimizer_G)
            return results.detached(), _detached(losses)

        def discriminators(given: Tensors) -> Tensors:
            self.optimizer_D.zero_grad(set_to_none=True)
            losses = self._discriminator_losses(first.inputs, results, given, None)
            self.accelerator.backward(torch.stack(list(losses.values())).sum())
            update(self.accelerator, self.optimizer_D)
            return _detached(losses)

        pool = torch.cuda.graph_pool_handle()
        first = Graphed(generators, pictures, pool)
        results = first.outputs[0]
        self.graphs = first, Graphed(discriminators, shown, pool)

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed stage needs but the pools, of which each process has its places'."""
        state = {name: getattr(self, name).state_dict() for name in _RESUMED}
        return state | loss_scale(self.accelerator) | {"at_once": self.batch.in_pieces and self.batch.at_once}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave, on this machine or another."""
        self.batch.in_pieces_of(state["at_once"])
        restore_loss_scale(self.accelerator, state)
        for name in _RESUMED:
            value = state[name]
            if name.startswith("optimizer"):
                # How Adam runs belongs to the device; a rate from the file would not reach recorded steps.
                groups = [group | self._adam_options() for group in value["param_groups"]]
                value = value | {"param_groups": groups}
            getattr(self, name).load_state_dict(value)


def _detached(tensors: Tensors) -> Tensors:
    return {name: tensor.detach() for name, tensor in tensors.items()}

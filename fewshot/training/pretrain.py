"""Base training: SCAN, coarse to fine, on unpaired photos and drawings (arXiv 1807.08536, section 3.4).

    for each stage:
        train both directions of this stage against its discriminators, everything below frozen
        keep the averaged weights; they are what the next stage builds on

Stops at any time (`minutes`, Ctrl-C), saves, and goes on exactly where it stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from base_models.architectures import ARCHITECTURES, Architecture
from base_models.checkpoint import BaseModel, build_networks
from eval.perceptual import load_perceptual
from fewshot.data.loader import Domain
from fewshot.errors import BadInputError, NotFoundError
from fewshot.output import notice
from fewshot.training.batches import Batch, draw_batches, steps_at_once
from fewshot.training.global_batch import GlobalBatch
from fewshot.training.graphs import own_stream
from fewshot.training.parts import agree
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.pretrain_export import Exported, export_checkpoint
from fewshot.training.pretrain_files import Position, RunFiles
from fewshot.training.previews import write_preview
from fewshot.training.signals import StopRequest
from fewshot.training.stage import START_UP, StageTrainer
from fewshot.training.stage_networks import StageNetworks
from fewshot.training.warm_start import copy_stages, start_discriminators

_MOST_NAMES = 8
"""Pictures of each side that are named when losses are no numbers."""

DomainMaker = Callable[[int], tuple[Domain, Domain]]
"""From a side in pixels to the photos and drawings at that size."""

Watcher = Callable[[Position, dict[str, float]], None]
"""Called after each step (on a GPU after up to 32) with where the run stands and the last losses."""


class Pretraining:
    """A run of base training in a folder.

    Args:
        config: settings; a resumed run must have the same but for the times.
        domains: makes the data of a stage from a side in pixels.
        photos: fixed photos for the previews, uint8 `(N, 3, S, S)` at the last stage's size.
        folder: run folder: `state/`, `samples/`, `log.jsonl`.
        accelerator: an `accelerate.Accelerator`.
        licence: licence words of the training data, for the checkpoint's header.
        name: name of the checkpoint; default `<arch>.<folder's name>`.
        facts: further facts for the header, JSON-ready.
        start: base whose weights are the first ones, stage by stage as far as they fit.
        watch: see `Watcher`.
        memory_limit: bytes that each process may take; None: what is free.
    """

    def __init__(
        self,
        config: PretrainConfig,
        domains: DomainMaker,
        photos: Tensor,
        folder: Path,
        accelerator: Accelerator,
        *,
        licence: str = "not stated: ask before passing these weights on",
        name: str = "",
        facts: dict[str, Any] | None = None,
        architecture: Architecture | None = None,
        start: BaseModel | None = None,
        watch: Watcher | None = None,
        memory_limit: float | None = None,
    ) -> None:
        if architecture is None and config.arch not in ARCHITECTURES:
            raise NotFoundError(
                f"there is no architecture {config.arch!r}", f"choose one of {', '.join(ARCHITECTURES)}"
            )
        self.architecture = architecture or ARCHITECTURES[config.arch]
        config.validate(len(self.architecture.stages))
        self.config, self.domains, self.photos = config, domains, photos
        self.folder, self.accelerator = folder, accelerator
        self.licence, self.facts, self.watch = licence, facts or {}, watch
        self.name = name or f"{config.arch}.{folder.name}"
        self.files = RunFiles(folder, config, accelerator)
        self.batch, self.memory_limit = GlobalBatch(accelerator, config.batch), memory_limit
        torch.manual_seed(config.seed)
        self.start = start
        # All stages in the layout that training uses: another one rounds otherwise, and a run that is resumed
        # in a later stage would not be the same bit for bit.
        self.netG_A, self.netG_B = (
            net.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for net in build_networks(self.architecture)
        )
        if start is not None:
            copy_stages(start.netG_A, self.netG_A)
            copy_stages(start.netG_B, self.netG_B)
        needs_features = config.lambda_content or config.lambda_feature
        self.perceptual = load_perceptual().to(accelerator.device) if needs_features else None
        self.position = Position()
        self.finished: dict[str, Any] = {}
        self.stop = StopRequest()
        self.stopping = self.interrupted = False
        self.slice_seconds = math.inf

    def run(self, *, resume: bool = False, slice_minutes: float = math.inf) -> Exported:
        """Train until the steps or minutes are used up or a stop is asked for; returns the checkpoint.

        Args:
            resume: go on with the run in the folder.
            slice_minutes: leave after this much training, saved, as if it had been asked to stop.

        Raises:
            ConflictError: the folder holds another run and `resume` is off, or the settings differ.
            IntegrityError: the saved state is damaged.
            BadInputError: the losses are no longer numbers, or the disk is full.
        """
        self.slice_seconds = 60 * slice_minutes
        state = self.files.load(resume=resume)
        trainer: StageTrainer | None = None
        with self.stop, own_stream(self.accelerator.device):
            if state is not None:
                self._keep_finished(state["finished"])
            for index in range(state["position"]["stage"] if state else 0, len(self.architecture.stages)):
                # What the stage before held is let go of, and pictures are there, before memory is measured.
                trainer = None
                sides = self.domains(round(self.architecture.stages[index].size * self.config.margin))
                trainer = self._trainer(index)
                if state is not None:
                    self.position, state = self.files.restore(trainer, state), None
                else:
                    self.position.stage, self.position.step, self.position.seconds = index, 0, 0.0
                self._train_stage(trainer, *sides)
                if self.stopping:
                    break
                self._finish_stage(trainer)
        self.files.tracking.finish()
        assert trainer is not None
        return export_checkpoint(self, trainer)

    def _trainer(self, index: int) -> StageTrainer:
        torch.manual_seed(self.config.seed + 1000 * (index + 1))
        nets, device = (self.netG_A, self.netG_B), self.accelerator.device
        networks = StageNetworks(*nets, index, self.config, self.architecture, self.perceptual, device)
        trainer = StageTrainer(networks, GlobalBatch(self.accelerator, self.config.batch))
        trainer.fit_memory(self.memory_limit)
        if self.start is not None:
            start_discriminators(trainer, self.start)
        return trainer

    def _train_stage(self, trainer: StageTrainer, photos: Domain, drawings: Domain) -> None:
        config, position, size = self.config, self.position, trainer.size
        limit = config.steps[trainer.index] if config.steps else None
        seconds = 60 * config.stage_minutes(len(self.architecture.stages))[trainer.index]
        in_pieces = trainer.batch.in_pieces
        most = 1 if in_pieces else steps_at_once(config.batch, size, self.accelerator.device)
        saved = shown = position.seconds
        while (limit is None or position.step < limit) and position.seconds < seconds and not self.stopping:
            clock = time.monotonic()
            progress = position.step / limit if limit else position.seconds / seconds
            training = trainer.ready
            count = most if training else START_UP
            batches = self.batches(photos, drawings, size, position.step, count)
            batches = batches if limit is None else batches[: limit - position.step]
            for step, batch in enumerate(batches, start=position.step):
                tensors = trainer.step(batch, step, progress)
            losses = _values(tensors)
            self._check_losses(losses, photos, drawings)
            spent = self._agree(time.monotonic() - clock)
            position.step += len(batches)
            position.pairs += len(batches) * config.batch
            # What a GPU needs for its first steps counts for the slice, not for the stage.
            position.seconds += spent if training else 0
            position.total_seconds += spent if training else 0
            if self.watch is not None:
                self.watch(position, losses)
            if position.seconds - shown > 60 * config.preview_every or position.step == len(batches):
                self._preview(trainer, losses)
                shown = position.seconds
            if position.seconds - saved > 60 * config.save_every:
                self.files.save(trainer, position, self.finished)
                saved = position.seconds
        self.files.save(trainer, position, self.finished)

    def batches(self, photos: Domain, drawings: Domain, size: int, step: int, count: int) -> list[Batch]:
        """This process's pictures of `count` steps from `step` on."""
        draws = self.batch.draws(self.config.seed + 1, self.position.stage, step)
        return draw_batches(photos, drawings, size, self.config, draws, self.accelerator.device, count)

    def _agree(self, seconds: float) -> float:
        """Decide, alike in every process, whether to stop; returns the main one's seconds."""
        self.interrupted, seconds = agree(self.accelerator, self.stop.requested, seconds)
        self.slice_seconds -= seconds
        self.stopping = self.interrupted or self.slice_seconds <= 0
        return seconds

    def _check_losses(self, losses: dict[str, float], *sides: Domain) -> None:
        if broken := [name for name, value in losses.items() if not math.isfinite(value)]:
            shown = ", ".join(name for side in sides for name in side.drawn()[:_MOST_NAMES])
            raise BadInputError(
                f"stage {self.position.stage + 1} after step {self.position.step}: {broken[0]} is not "
                f"finite, with the pictures {shown}",
                "train anew under another --name with a lower --lr or --precision no",
            )

    def _preview(self, trainer: StageTrainer, losses: dict[str, float]) -> None:
        """A picture of fixed photos and a line of log."""
        if self.accelerator.is_main_process:
            path = write_preview(trainer, self.photos, self.position.step, self.folder / "samples")
            self.files.log(self.position, losses, path)
            pairs = self.config.batch * self.position.step
            speed = f", {pairs / self.position.seconds:.1f} pairs/s" if self.position.seconds else ""
            notice(f"stage {trainer.index + 1} step {self.position.step}{speed}, preview {path}")

    def _finish_stage(self, trainer: StageTrainer) -> None:
        """The averaged weights become the stage's weights."""
        with trainer.ema.applied(trainer.G):
            for side, net in (("A", self.netG_A), ("B", self.netG_B)):
                self.finished[f"{side}{trainer.index}"] = _copy(net.stages[trainer.index])
        self._keep_finished(self.finished)

    def _keep_finished(self, finished: dict[str, Any]) -> None:
        self.finished = finished
        for key, weights in finished.items():
            net = self.netG_A if key[0] == "A" else self.netG_B
            stage = net.stages[int(key[1:])]
            stage.load_state_dict(weights)
            stage.requires_grad_(False)


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def _values(losses: dict[str, Tensor]) -> dict[str, float]:
    """The numbers, in one transfer from the device instead of one for each."""
    return dict(zip(losses, torch.stack([v.float() for v in losses.values()]).tolist(), strict=True))

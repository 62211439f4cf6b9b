"""`fewshot base train` without the command line: pictures and settings in, a checkpoint and its card out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from base_models.architectures import ARCHITECTURES, Architecture
from base_models.registry import create_model
from fewshot.data.loader import Domain
from fewshot.data.packs import Pack, load_pack
from fewshot.errors import ConflictError, NotFoundError, UsageError
from fewshot.home import base_folder, cache_folder, run_folder
from fewshot.output import notice, progress
from fewshot.training.precision import best_precision, make_accelerator
from fewshot.training.pretrain import DomainMaker, Pretraining
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.pretrain_export import Exported, write_base
from fewshot.training.pretrain_files import Position
from fewshot.training.runs import is_unfinished
from fewshot.training.tracking import check_trackers

_PREVIEWS = 8


@dataclass(frozen=True)
class Source:
    """A folder or .tar archive of pictures."""

    path: Path
    """Where it is."""
    weight: float | None = None
    """How often it is drawn from, relative to the others of its side; None by its number of pictures."""
    within: str = ""
    """Folder inside the archive, such as `photos/photos_256`; empty for all of it."""
    px: int | None = None
    """Side its pictures have, if known: soft drawings are left out where they would have to be enlarged."""


@dataclass(frozen=True)
class BaseRun:
    """What `fewshot base train` was asked for."""

    config: PretrainConfig
    """Settings of the training."""
    tag: str
    """The checkpoint is called `arch.tag`."""
    photos: tuple[Source, ...]
    """Side A."""
    drawings: tuple[Source, ...]
    """Side B."""
    licence: str
    """Licence words of the pictures."""
    out: Path
    """Folder for the checkpoint and its card."""
    precision: str = "auto"
    """`auto`, `no`, `bf16` or `fp16`."""
    cpu: bool = False
    """Stay on the CPU where there is a GPU."""
    resume: bool = False
    """Go on with the run of this name."""
    slice_minutes: float = inf
    """Leave after this long, to go on with `resume`: where a job may only last so long."""
    track: tuple[str, ...] = ()
    """`wandb`, `tensorboard` or both."""
    memory_limit: float | None = None
    """Bytes that each process may take; None: what is free."""
    architecture: Architecture | None = None
    """Sizes and switches; None: the registered one that `config.arch` names."""

    @property
    def sizes(self) -> Architecture:
        """The architecture to train."""
        return self.architecture or ARCHITECTURES[self.config.arch]

    @property
    def name(self) -> str:
        """`arch.tag`."""
        return f"{self.config.arch}.{self.tag}"


def train_base(run: BaseRun) -> tuple[Path, bool]:
    """Train a base and write it; returns the checkpoint's path and whether it was interrupted.

    Raises:
        ConflictError: the checkpoint exists and this is no resumed run, or the run's settings differ.
        NotFoundError: a source does not exist, or there is nothing to resume.
        IntegrityError: the saved state is damaged.
    """
    path = run.out / f"{run.name}.safetensors"
    folder = run_folder(run.name)
    if path.exists() and not run.resume:
        raise ConflictError(
            f"{path} exists already", "add --resume to go on training it, or choose another --name"
        )
    if run.resume and not is_unfinished(folder):
        raise NotFoundError(f"there is no run to resume in {folder}", "leave --resume out to start one")
    accelerator = _accelerator(run)
    domains = _domain_maker(run, accelerator)
    lowest, size = run.sizes.stages[0].size, run.sizes.stages[-1].size
    photos, _ = domains(round(size * run.config.margin))
    # Of the lowest stage, which leaves no source out: the card has to name them all.
    sides = dict(zip(("photos", "drawings"), domains(round(lowest * run.config.margin)), strict=True))
    facts = {"data": [_fact(side, pack) for side, domain in sides.items() for pack in domain.packs]}
    pretraining = Pretraining(
        run.config,
        domains,
        _preview_photos(photos, size),
        folder,
        accelerator,
        licence=run.licence,
        name=run.name,
        facts=facts,
        architecture=run.architecture,
        start=create_model(run.config.start, folders=[base_folder()]) if run.config.start else None,
        memory_limit=run.memory_limit,
    )
    data = _with_progress(pretraining, run, shown=accelerator.is_main_process)
    if accelerator.is_main_process:
        model = write_base(data, path)
        notice(f"{run.name}: {pretraining.position.pairs} pairs seen, sha256 {model.sha256[:12]}, {path}")
    return path, pretraining.interrupted


def _accelerator(run: BaseRun) -> Accelerator:
    cpu = run.cpu or not torch.cuda.is_available()
    precision = run.precision
    if precision == "auto":
        trunk = min(stage.trunk for stage in run.sizes.stages)
        # Narrow convolutions are bound by memory: converting to bfloat16 costs more than it saves.
        native = best_precision() if cpu != torch.cuda.is_available() else "no"
        precision = native if not cpu or trunk >= 64 else "no"
        notice(f"precision {precision}, on the {'CPU' if cpu else 'GPU'}")
    if precision == "fp16" and cpu:
        raise UsageError("--precision fp16 needs a GPU", "use --precision bf16, or leave the flag out")
    if "RANK" in os.environ:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    folder = run_folder(run.name)
    return make_accelerator(precision, cpu=cpu, track=check_trackers(run.track), folder=folder)


def _domain_maker(run: BaseRun, accelerator: Accelerator) -> DomainMaker:
    def make(sources: Sequence[Source], size: int) -> Domain:
        cache = cache_folder() / "packs"
        packs = [load_pack(source.path, size, cache=cache, within=source.within) for source in sources]
        given = any(source.weight is not None for source in sources)
        weights = [1.0 if s.weight is None else s.weight for s in sources] if given else None
        return Domain(packs, weights, accelerator.device)

    def domains(size: int) -> tuple[Domain, Domain]:
        # The main process decodes and fills the cache, the others read it.
        several = accelerator.num_processes > 1
        with accelerator.main_process_first() if several else nullcontext():
            return make(run.photos, size), make(_sharp(run.drawings, size), size)

    return domains


def _sharp(sources: Sequence[Source], size: int) -> Sequence[Source]:
    """The sources without those to be enlarged beyond 4/3: they would teach a discriminator softness."""
    return [s for s in sources if s.px is None or 4 * s.px >= 3 * size] or sources


def _fact(side: str, pack: Pack) -> dict[str, Any]:
    return {"side": side, "name": pack.source, "pictures": len(pack)}


def _preview_photos(photos: Domain, size: int) -> Tensor:
    """The middle of photos spread evenly over the first source, uint8 `(N, 3, size, size)`."""
    pixels = photos.pixels[0].cpu()
    rows = torch.linspace(0, len(pixels) - 1, min(_PREVIEWS, len(pixels))).long()
    margin = (pixels.shape[-1] - size) // 2
    return pixels[rows][:, :, margin : margin + size, margin : margin + size]


def _with_progress(pretraining: Pretraining, run: BaseRun, *, shown: bool) -> Exported:
    if not shown:
        return pretraining.run(resume=run.resume, slice_minutes=run.slice_minutes)
    steps = pretraining.config.steps
    total = sum(steps) or round(60 * pretraining.config.minutes)
    with progress(f"training {pretraining.name} ({'steps' if steps else 'seconds'})", total) as bar:
        first = True

        def watch(position: Position, losses: dict[str, float]) -> None:
            nonlocal first
            done = sum(steps[: position.stage]) + position.step if steps else round(position.total_seconds)
            if first:
                # A resumed run did not do the earlier steps in this call.
                bar.start, first = max(0, done - 1), False
            bar.update(done, stage=position.stage + 1, **_shown(losses))

        pretraining.watch = watch
        return pretraining.run(resume=run.resume, slice_minutes=run.slice_minutes)


def _shown(losses: dict[str, float]) -> dict[str, float]:
    return {name: losses[name] for name in ("cycle_A", "gan_B", "D_B") if name in losses}

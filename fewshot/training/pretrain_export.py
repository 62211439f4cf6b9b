"""From a run of base training to what ships: the checkpoint and its model card."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from base_models.checkpoint import (
    BaseModel,
    build_generator,
    content_sha256,
    load_checkpoint,
    save_checkpoint,
)
from base_models.counts import count_macs, count_parameters
from base_models.registry import discriminators_path
from fewshot.files import atomic_write_bytes, atomic_write_text
from fewshot.training.pretrain_files import plain_config
from fewshot.training.stage import StageTrainer

if TYPE_CHECKING:
    from fewshot.training.pretrain import Pretraining


@dataclass(frozen=True)
class Exported:
    """The content of the two files of a base."""

    generators: bytes
    """Both directions."""
    discriminators: bytes
    """What adaptation and further training may start from."""


def export_checkpoint(run: Pretraining, trainer: StageTrainer) -> Exported:
    """The base so far: averaged weights up to the stage in training, its discriminators, the facts.

    Raises:
        CheckpointError: the weights are not finite or too large for float16.
    """
    architecture = replace(run.architecture, stages=run.architecture.stages[: trainer.index + 1])
    nets: dict[str, nn.Module] = {}
    with trainer.ema.applied(trainer.G):
        for key, net in (("netG_A", run.netG_A), ("netG_B", run.netG_B)):
            part = build_generator(architecture, photos=net is run.netG_A)
            # The stages above, which the part does not have, are still random.
            wanted = part.state_dict().keys()
            part.load_state_dict({name: t for name, t in net.state_dict().items() if name in wanted})
            nets[key] = part
    facts: dict[str, Any] = {
        "trained": True,
        "pairs": run.position.pairs,
        "minutes": round(run.position.total_seconds / 60, 2),
        "processes": run.accelerator.num_processes,
        "device": run.accelerator.device.type,
        "precision": run.accelerator.mixed_precision,
        "torch": torch.__version__,
        "config": plain_config(run.config),
    }
    facts |= run.facts
    if run.start is not None:
        before = run.start.header["training"]
        known = {key: before[key] for key in ("pairs", "minutes") if key in before}
        facts["start"] = {"sha256": run.start.sha256, **known}
    generators = save_checkpoint(run.name, architecture, nets, training=facts, licence=run.licence)
    discriminators = save_checkpoint(
        run.name,
        architecture,
        {f"netD_{side}": trainer.D[side] for side in "AB"},
        training=facts,
        licence=run.licence,
        belongs_to=content_sha256(generators),
    )
    return Exported(generators, discriminators)


def write_base(data: Exported, path: Path) -> BaseModel:
    """Write a checkpoint, its discriminators and its card beside it, and read it back.

    Raises:
        BadInputError: the disk is full or the folder cannot be written to.
        CheckpointError: what came back from the disk is not what was written.
    """
    # A stop between the two leaves a base without discriminators, never one with those of other weights.
    discriminators_path(path).unlink(missing_ok=True)
    atomic_write_bytes(path, data.generators)
    atomic_write_bytes(discriminators_path(path), data.discriminators)
    model = load_checkpoint(path)
    atomic_write_text(path.with_suffix(".md"), base_card(model, path.stat().st_size))
    return model


def _began(start: dict[str, Any] | None) -> str:
    if start is None:
        return ""
    pairs, minutes = start.get("pairs", 0), start.get("minutes", 0)
    return f"\nBefore that, as weights {start['sha256'][:12]}: {pairs:,} pairs in {minutes} minutes."


def base_card(model: BaseModel, size: int) -> str:
    """The model card of a base, all of it from the checkpoint; `size` is the file's, in bytes."""
    side, facts = model.netG_A.size, model.header["training"]
    parameters = count_parameters(model.netG_A)
    sources = "\n".join(
        f"- {source['side']}: `{source['name']}`, {source['pictures']} pictures"
        for source in facts.get("data", [])
    )
    stages = "\n".join(
        f"| {number} | {s.size} | {s.width} | {s.trunk} | {s.blocks} | {s.unshuffle} | {s.film} |"
        for number, s in enumerate(model.architecture.stages, start=1)
    )
    yes = {True: "yes", False: "no"}
    macs = f"{count_macs(model.netG_A, side) / 1e9:.4g} GMACs"
    device = f"{facts.get('processes', 1)} {facts.get('device', '?')} process(es)"
    return f"""# {model.name}

A SCAN base model (arXiv 1807.08536): redraws photos as drawings (`netG_A`) and back (`netG_B`).

- RGB pictures of {side} px
- {parameters:,} parameters from photo to drawing, {macs} for one {side} px pass
- file: {size / 1e6:.2f} MB, float16, both directions; the discriminators have a file of their own
- sha256 of header and tensors: `{model.sha256}`
- licence of the training data: {model.header["licence"]}

| stage | px | width | trunk | residual blocks | unshuffle | film |
|---|---|---|---|---|---|---|
{stages}

Adaptive fusion: {yes[model.architecture.fusion]}. Skip connection: {yes[model.architecture.skip]}.
Finds the parts of a face in the photo: {yes[model.netG_A.parser is not None]}.

## Training

{facts.get("pairs", 0):,} photo/drawing pairs in {facts.get("minutes", 0)} minutes on {device},
precision {facts.get("precision", "?")}, torch {facts.get("torch", "?")}.{_began(facts.get("start"))}
The data, held-out pictures left out:

{sources or "- not recorded"}

Settings:

```json
{json.dumps(facts.get("config", {}))}
```

## Use and limits

`fewshot adapt --base {model.name}` starts from it. It knows only pictures like those it was trained on;
other subjects, poses and framings come out worse; tilted heads are drawn level and turned back by `fewshot
stylize`. It has no idea of identity: look at each result before showing it.
"""

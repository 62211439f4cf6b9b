"""The paper's claim as an experiment: the variants of one architecture under one budget.

"Skip plus learned fusion beats plain stacking" (arXiv 1807.08536, table 2) says something only if every model
had the same chance. All variants of an experiment are trained with the same seed, pictures, losses and batch,
and with **equal budgets: the same number of photo/drawing pairs, the lower stages included**. A model of
several stages gives each an equal part of the pairs, a model of one stage gives it all of them. Equal pairs
are not equal time: what a variant costs beside its pairs is told by its minutes and its GMACs.

The lowest stage of all stacked variants is the same network with the same task. It is trained once, and its
pairs and minutes count for each variant that is built on it, as if each had trained it alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from base_models.architectures import ARCHITECTURES, Architecture
from base_models.checkpoint import BaseModel, load_checkpoint
from base_models.variants import STAGE_1, variants
from fewshot.errors import ConflictError, UsageError
from fewshot.files import atomic_write_text
from fewshot.home import run_folder
from fewshot.output import notice
from fewshot.training.pretrain_files import plain_config
from fewshot.training.pretrain_run import BaseRun, train_base

_LOWER = "lower"


@dataclass(frozen=True)
class Job:
    """One training run of an experiment."""

    name: str
    """Variant, or `lower` for the stage that the stacked ones share."""
    architecture: Architecture
    """Its sizes and switches."""
    steps: tuple[int, ...]
    """Steps of each stage; 0 for the stage that comes from `lower`."""

    @property
    def built_on_lower(self) -> bool:
        """Whether it starts from the shared stage."""
        return self.steps[0] == 0


@dataclass(frozen=True, eq=False)
class Trained:
    """A variant that has used up its budget."""

    path: Path
    """The checkpoint."""
    model: BaseModel
    """The same, loaded: both directions."""
    pairs: int
    """Pairs seen over all of its stages, the shared one included."""
    minutes: float
    """Training time of these pairs."""


def plan(full: Architecture, names: Sequence[str], pairs: int, batch: int) -> list[Job]:
    """The runs that give each variant `pairs` pairs, rounded down to whole steps; `lower` comes first.

    Args:
        full: the architecture that the variants are derived from.
        names: which of `base_models.variants`.
        pairs: in total for each variant.
        batch: pairs in a step.

    Raises:
        UsageError: not even one step for each stage.
    """
    made, stages, steps = variants(full), len(full.stages), pairs // batch
    if steps < stages:
        raise UsageError(
            f"--pairs {pairs}: {steps} steps of {batch} for {stages} stages",
            f"give {stages * batch} or more; thousands for a result that means something",
        )
    each = steps // stages
    split = (*[each] * (stages - 1), steps - each * (stages - 1))
    jobs = [
        Job(name, made[name], (steps,) if len(made[name].stages) == 1 else (0, *split[1:])) for name in names
    ]
    if any(job.built_on_lower for job in jobs):
        jobs.insert(0, Job(_LOWER, made[STAGE_1], split[:1]))
    return jobs


def train_variants(
    kind: str, template: BaseRun, names: Sequence[str], pairs: int
) -> tuple[Path, dict[str, Trained]]:
    """Train what is not trained yet. Each variant is a run `ARCH-KIND-VARIANT.TAG` under FEWSHOT_HOME/runs.

    A repeat with the same request skips finished runs and goes on with an interrupted one.

    Args:
        kind: of experiment: `ablation` or `facades`.
        template: settings, sources, licence and tag of every run; `config.arch` is the registered
            architecture of several stages, `config.steps` is not used.
        names: variants, in the order of the result.
        pairs: in total for each variant.

    Returns:
        The folder of the experiment, `ARCH-KIND.TAG`, and the variants by name.

    Raises:
        UsageError: too few pairs, or an architecture of one stage.
        KeyboardInterrupt: a stop was asked for; what was trained is saved.
        ConflictError: the folder holds an experiment that was asked for something else.
        NotFoundError, IntegrityError: as `train_base`.
    """
    full = ARCHITECTURES[template.config.arch]
    if len(full.stages) < 2:
        raise UsageError(f"{template.config.arch} has one stage", "choose one of several: --arch scan_128")
    jobs = plan(full, names, pairs, template.config.batch)
    folder = _claim(kind, template, names, pairs)
    paths: dict[str, Path] = {}
    models: dict[str, BaseModel] = {}
    for number, job in enumerate(jobs, start=1):
        notice(f"{job.name} ({number} of {len(jobs)}): steps {', '.join(map(str, job.steps))}")
        start = str(paths[_LOWER]) if job.built_on_lower else ""
        paths[job.name] = _train(kind, job, template, start)
        models[job.name] = load_checkpoint(paths[job.name])
    # A one-stage run has seen every pair itself, a stacked one has some of them from `lower`.
    steps = pairs // template.config.batch
    trained = {}
    for job in jobs:
        if job.name != _LOWER:
            own = [job.name, *([_LOWER] if job.built_on_lower else [])]
            minutes = sum(models[name].header["training"]["minutes"] for name in own)
            seen = steps * template.config.batch
            trained[job.name] = Trained(paths[job.name], models[job.name], seen, minutes)
    return folder, trained


def _train(kind: str, job: Job, template: BaseRun, start: str) -> Path:
    """The finished checkpoint of one run."""
    label = f"{template.config.arch}-{kind}-{job.name}"
    config = replace(template.config, arch=label, steps=job.steps, share=(), minutes=0.0, start=start)
    folder = run_folder(f"{label}.{template.tag}")
    # A run that was stopped leaves a checkpoint too, so only one that is moved out of here is finished.
    part = folder / "part"
    run = replace(template, config=config, architecture=job.architecture, out=part)
    done = folder / f"{run.name}.safetensors"
    if not done.exists():
        resume = (folder / "state" / "state.pt").exists()
        path, stopped = train_base(replace(run, resume=resume))
        if stopped:
            raise KeyboardInterrupt
        os.replace(path.with_suffix(".md"), done.with_suffix(".md"))
        os.replace(path, done)
    return done


def _claim(kind: str, template: BaseRun, names: Sequence[str], pairs: int) -> Path:
    """The folder of an experiment, with its request written down in `request.json`."""
    folder = run_folder(f"{template.config.arch}-{kind}.{template.tag}")
    sources = {"photos": template.photos, "drawings": template.drawings}
    request = {
        "variants": list(names),
        "pairs": pairs,
        "config": plain_config(template.config),
        "precision": template.precision,
        **{side: [[s.path.name, s.within, s.weight] for s in given] for side, given in sources.items()},
    }
    path = folder / "request.json"
    if path.exists():
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key in request if before.get(key) != request[key]]
        if changed:
            raise ConflictError(
                f"{folder} holds an experiment with other {', '.join(changed)} (see {path.name} there)",
                "repeat its settings to go on with it, or choose another --name",
            )
    else:
        atomic_write_text(path, json.dumps(request, indent=2) + "\n")
    return folder

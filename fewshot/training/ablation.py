"""The paper's claim as an experiment: the variants of one architecture under one budget.

"Skip plus learned fusion beats plain stacking" (arXiv 1807.08536, table 2) says something only if every model
had the same chance. All variants of an experiment are trained with the same seed, pictures, losses and batch,
and with **equal budgets, the lower stages included**, of one of two kinds:

- **Pairs**: each model sees the same number of photo/drawing pairs. Fair in what there is to learn from, and
  repeatable on any machine. Equal pairs are not equal time: a pair of a low stage costs a fraction of one at
  the final size, so a model of one stage gets several times the computing.
- **Minutes**: each model is trained for the same time. Fair in what training costs, and what counts where
  pictures are plenty. Equal time is not equal pairs: the low stages see many more pairs than a network at the
  final size does in its minutes. It holds for one machine that does nothing else, and a repeat is not the
  same bit for bit. Minutes are of steps and of drawing their pictures; not of reading the sources, of
  previews and saves, or of a GPU's first five steps, in which it gets ready. A stage ends with the step, or
  on a GPU the few steps, in which its minutes run out.

A model of several stages gives each an equal part of its budget, a model of one stage gives it all. Whichever
is equal, the other is told for every model.

The lowest stage of all stacked variants is the same network with the same task. It is trained once, and its
pairs and minutes count for each variant that is built on it, as if each had trained it alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

from base_models.architectures import ARCHITECTURES, Architecture
from base_models.checkpoint import BaseModel, load_checkpoint
from base_models.variants import STAGE_1, variants
from fewshot.errors import ConflictError, UsageError
from fewshot.files import atomic_write_text
from fewshot.home import run_folder
from fewshot.output import notice
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.pretrain_files import plain_config
from fewshot.training.pretrain_run import BaseRun, train_base
from fewshot.training.runs import is_unfinished

_LOWER = "lower"


@dataclass(frozen=True)
class Budget:
    """What every model of an experiment gets in total, its lower stages included: pairs or minutes.

    Raises:
        UsageError: not exactly one of the two is given, or it is not a finite number above 0.
    """

    pairs: int = 0
    """Photo/drawing pairs, rounded down to whole steps; 0: minutes count."""
    minutes: float = 0.0
    """Minutes of training; 0: pairs count."""

    def __post_init__(self) -> None:
        given = [f"--{name} {value}" for name, value in asdict(self).items() if value != 0]
        if len(given) != 1 or not (0 < self.pairs < inf or 0 < self.minutes < inf):
            raise UsageError(
                f"the budget is {' and '.join(given) or 'not given'}, expected one number above 0",
                "give either --pairs N, equal pairs for every model, or --minutes M, equal training time",
            )

    def split(self, stages: int, batch: int) -> Sequence[float]:
        """Steps (of `batch` pairs) or minutes of each stage: equal parts, left-over steps to the last.

        Raises:
            UsageError: not even one step for each stage.
        """
        if not self.pairs:
            return [self.minutes / stages] * stages
        steps = self.pairs // batch
        if steps < stages:
            raise UsageError(
                f"--pairs {self.pairs}: {steps} steps of {batch} for {stages} stages",
                f"give {stages * batch} or more; thousands for a result that means something",
            )
        each = steps // stages
        return (*[each] * (stages - 1), steps - each * (stages - 1))


@dataclass(frozen=True)
class Job:
    """One training run of an experiment."""

    name: str
    """Variant, or `lower` for the stage that the stacked ones share."""
    architecture: Architecture
    """Its sizes and switches."""
    steps: tuple[int, ...] = ()
    """Steps of each stage, 0 for the one that comes from `lower`; empty where minutes count."""
    share: tuple[float, ...] = ()
    """Fraction of `minutes` of each stage, 0 for the one that comes from `lower`; empty where steps count."""
    minutes: float = 0.0
    """Minutes of this run, without those of `lower`; 0 where steps count."""

    @property
    def built_on_lower(self) -> bool:
        """Whether it starts from the shared stage."""
        return (self.steps or self.share)[0] == 0


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
    """Training time of these pairs, in all."""


def plan(full: Architecture, names: Sequence[str], budget: Budget, batch: int) -> list[Job]:
    """The runs that give each variant its budget; `lower` comes first.

    Args:
        full: the architecture that the variants are derived from.
        names: which of `base_models.variants`.
        budget: in total for each variant.
        batch: pairs in a step.

    Raises:
        UsageError: not even one step for each stage.
    """
    made, parts = variants(full), budget.split(len(full.stages), batch)

    def job(name: str, sizes: Architecture, parts: Sequence[float]) -> Job:
        if budget.pairs:
            return Job(name, sizes, steps=tuple(map(int, parts)))
        minutes = sum(parts)
        return Job(name, sizes, share=tuple(part / minutes for part in parts), minutes=minutes)

    jobs = [
        job(name, made[name], [sum(parts)] if len(made[name].stages) == 1 else [0, *parts[1:]])
        for name in names
    ]
    if any(one.built_on_lower for one in jobs):
        jobs.insert(0, job(_LOWER, made[STAGE_1], parts[:1]))
    return jobs


def train_variants(
    kind: str, template: BaseRun, names: Sequence[str], budget: Budget
) -> tuple[Path, dict[str, Trained]]:
    """Train what is not trained yet. Each variant is a run `ARCH-KIND-VARIANT.TAG` under FEWSHOT_HOME/runs.

    A repeat with the same request skips finished runs and goes on with an interrupted one.

    Args:
        kind: of experiment: `ablation` or `facades`.
        template: settings, sources, licence and tag of every run; `config.arch` is the registered
            architecture of several stages; its steps, share and minutes are not used.
        names: variants, in the order of the result.
        budget: in total for each variant.

    Returns:
        The folder of the experiment, `ARCH-KIND.TAG`, and the variants by name.

    Raises:
        UsageError: too few pairs, an architecture of one stage, or settings that do not fit.
        KeyboardInterrupt: a stop was asked for; what was trained is saved.
        ConflictError: the folder holds an experiment that was asked for something else.
        NotFoundError, IntegrityError: as `train_base`.
    """
    full = ARCHITECTURES[template.config.arch]
    if len(full.stages) < 2:
        raise UsageError(f"{template.config.arch} has one stage", "choose one of several: --arch scan_128")
    jobs = plan(full, names, budget, template.config.batch)
    for job in jobs:
        # Before the request is written down, which the right settings would then be in conflict with.
        _config(kind, job, template, _LOWER).validate(len(job.architecture.stages))
    folder = _claim(kind, template, names, budget)
    paths: dict[str, Path] = {}
    models: dict[str, BaseModel] = {}
    for number, job in enumerate(jobs, start=1):
        length = f"steps {', '.join(map(str, job.steps))}" if job.steps else f"{job.minutes:.3g} minutes"
        notice(f"{job.name} ({number} of {len(jobs)}): {length}")
        paths[job.name] = _train(kind, job, template, str(paths.get(_LOWER, "")))
        models[job.name] = load_checkpoint(paths[job.name])
    trained = {}
    for job in jobs:
        if job.name != _LOWER:
            # A one-stage run has seen every pair itself, a stacked one has some of them from `lower`.
            own = [job.name, *([_LOWER] if job.built_on_lower else [])]
            facts = [models[name].header["training"] for name in own]
            pairs, minutes = (sum(fact[key] for fact in facts) for key in ("pairs", "minutes"))
            trained[job.name] = Trained(paths[job.name], models[job.name], pairs, minutes)
    return folder, trained


def _train(kind: str, job: Job, template: BaseRun, start: str) -> Path:
    """The finished checkpoint of one run."""
    config = _config(kind, job, template, start)
    folder = run_folder(f"{config.arch}.{template.tag}")
    # A run that was stopped leaves a checkpoint too, so only one that is moved out of here is finished.
    part = folder / "part"
    run = replace(template, config=config, architecture=job.architecture, out=part)
    done = folder / f"{run.name}.safetensors"
    if not done.exists():
        resume = is_unfinished(folder)
        path, stopped = train_base(replace(run, resume=resume))
        if stopped:
            raise KeyboardInterrupt
        os.replace(path.with_suffix(".md"), done.with_suffix(".md"))
        os.replace(path, done)
    return done


def _config(kind: str, job: Job, template: BaseRun, start: str) -> PretrainConfig:
    """The settings of one run; `start` is the shared stage, for those that are built on it."""
    label = f"{template.config.arch}-{kind}-{job.name}"
    config = replace(template.config, arch=label, start=start if job.built_on_lower else "")
    return replace(config, steps=job.steps, share=job.share, minutes=job.minutes)


def _claim(kind: str, template: BaseRun, names: Sequence[str], budget: Budget) -> Path:
    """The folder of an experiment, with its request written down in `request.json`."""
    folder = run_folder(f"{template.config.arch}-{kind}.{template.tag}")
    sources = {"photos": template.photos, "drawings": template.drawings}
    request = {
        "variants": list(names),
        # Only the kind that was asked for, so that the other one is missing and in conflict.
        **{key: value for key, value in asdict(budget).items() if value},
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

"""`adapt_style`: from a folder of drawings to a finished adapter folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from base_models.registry import create_model
from eval.features import extract, get_extractor
from fewshot.adapters.folder import preview_bytes, write_adapter
from fewshot.consent import UNKNOWN, Consent
from fewshot.data.check import check_folder
from fewshot.data.style_set import StyleSet
from fewshot.files import atomic_write_text
from fewshot.home import base_folder, run_folder
from fewshot.output import notice, warn
from fewshot.sheets import png_bytes
from fewshot.training.adaptation import Adaptation
from fewshot.training.parts import world_size
from fewshot.training.precision import make_accelerator
from fewshot.training.runs import is_finished, may_replace
from fewshot.training.state import clear_state
from fewshot.training.tracking import check_trackers
from recipes import Recipe, dumps, idle_fields, recipe_hash

_LOOKS = 200
"""In an adapter's metrics.json at most: 40 kB."""


@dataclass(frozen=True)
class AdaptOutcome:
    """What an adaptation left behind."""

    adapter: Path
    """The adapter folder."""
    run: Path
    """The run folder around it."""
    metrics: dict[str, Any]
    """What metrics.json holds."""
    steps: int
    """Steps trained."""
    best_step: int
    """Step of the kept weights; 0 is the base itself."""
    seconds: float
    """Training time over all calls."""


def finish(job: Adaptation, *, name: str, licence: str, consent: Consent, overwrite: bool) -> AdaptOutcome:
    """Write the adapter folder from the best weights and the run's own files."""
    before, after = job.results_of_base(), job.results_of_best()
    metrics = {
        "steps": job.at.step,
        "best_step": job.at.best_step,
        "minutes": round(job.at.seconds / 60, 2),
        "drawings": len(job.drawings),
        "photos": job.sources.origin,
        "processes": world_size(job.accelerator),
        **job.validation.metrics(before, after),
    }
    # The encoder of styles, in no loss: a catalogue is searched by it.
    extractor = get_extractor("style")
    features = {
        "references": torch.from_numpy(extract(extractor, job.drawings.tensor())).half(),
        "results": torch.from_numpy(extract(extractor, after)).half(),
    }
    adapter = job.run / "adapter"
    outcome = AdaptOutcome(adapter, job.run, metrics, job.at.step, job.at.best_step, job.at.seconds)
    if not job.accelerator.is_main_process:
        return outcome
    told = metrics | {"history": thinned(metrics["history"])}
    # The adapter comes last: where it is, everything is.
    atomic_write_text(job.run / "recipe.toml", dumps(job.recipe))
    atomic_write_text(job.run / "metrics.json", json.dumps(metrics, indent=2))
    write_adapter(
        adapter,
        job.best,
        config=job.trainer.G.peft_config["default"],
        name=name,
        base_name=job.base.name,
        base_sha256=job.base.sha256,
        recipe_toml=dumps(job.recipe),
        recipe_hash=recipe_hash(job.recipe),
        seed=job.recipe.seed,
        steps=job.at.best_step,
        reference_hashes=job.drawings.hashes,
        metrics=told,
        preview_png=png_bytes(job.sheet(after), preview_bytes(job.trainer.trainable, told)),
        style_features=features,
        extractor_sha256=extractor.sha256,
        licence=licence,
        consent=consent,
        overwrite=overwrite,
    )
    clear_state(job.state_path())
    return outcome


def thinned(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """A few of very many looks, the first and the last among them: an adapter folder has little room.

    All of them are in the run's metrics.json and log.jsonl.
    """
    step = max(1, -(-(len(history) - 1) // (_LOOKS - 1)))
    return history if len(history) <= _LOOKS else [*history[:-1:step], history[-1]]


def warn_of_two_hands(drawings: Path, used: StyleSet) -> None:
    """Say so where the drawings used of a folder look like two artists': their average is nobody's style."""
    hands = check_folder(drawings, files=[picture.path for picture in used]).hands
    if hands.flagged:
        warn(f"{drawings}: {len(hands.second)} drawings look like a second hand: {hands.reason}")
        notice(f"hint: `fewshot check {drawings}` names them; adapt each hand in a folder of its own")


def _finished(run: Path) -> AdaptOutcome:
    """What a finished run left behind."""
    notice(f"{run.name} is finished already: there is nothing to resume")
    told = json.loads((run / "metrics.json").read_text())
    return AdaptOutcome(run / "adapter", run, told, told["steps"], told["best_step"], 60 * told["minutes"])


def adapt_style(
    drawings: Path,
    *,
    name: str,
    base: str,
    recipe: Recipe,
    photos: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    max_minutes: float | None = None,
    licence: str = "unknown",
    consent: Consent = UNKNOWN,
    track: Sequence[str] = (),
    memory_limit: float | None = None,
    look_for_hands: bool = True,
) -> AdaptOutcome:
    """Adapt a base to one artist and write `FEWSHOT_HOME/runs/<name>/`.

    Args:
        drawings: folder of 1 to 60 drawings.
        name: of the style, and of its run.
        base: registered base such as `scan_128.anime`, or a file.
        recipe: every knob.
        photos: folder or archive of source photos; None makes pseudo-photos.
        resume: go on with an interrupted run of that name; one that is finished is left as it is.
        overwrite: replace a finished run of that name.
        max_minutes: stop training after this long; default: the recipe's.
        licence, consent: written into the adapter.
        track: `wandb`, `tensorboard` or both.
        memory_limit: bytes that each process may take; None: what is free.
        look_for_hands: say so where the drawings look as if two artists had made them.

    Raises:
        UsageError: an unknown tracker, or one that is not installed.
        ConflictError: the run exists.
        BadInputError, NotFoundError: the drawings or photos cannot be used.
        Interrupted: Ctrl-C; the state is saved.
    """
    run = run_folder(name)
    if resume and is_finished(run):
        return _finished(run)
    overwrite = may_replace(run, resume=resume, overwrite=overwrite)
    model = create_model(base, folders=[base_folder()])
    style_set = StyleSet.from_folder(drawings, size=model.netG_A.size, crop=recipe.crop)
    for problem in style_set.problems:
        warn(problem.message)
    if look_for_hands:
        warn_of_two_hands(drawings, style_set)
    for idle in idle_fields(recipe):
        warn(f"the recipe sets what has no effect: {idle}")
    accelerator = make_accelerator(track=check_trackers(track), folder=run)
    job = Adaptation(style_set, model, recipe, photos, run, accelerator, name=name, memory_limit=memory_limit)
    job.train_style(resume=resume, max_minutes=max_minutes)
    return finish(job, name=name, licence=licence, consent=consent, overwrite=overwrite)

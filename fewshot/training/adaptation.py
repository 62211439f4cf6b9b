"""The adaptation loop: one artist's style from a few drawings (the project's main job).

repeat: one step of the adapter, one of the discriminators
        now and then: redraw held photos, compare them with the validation fold, keep the best
until the steps, the minutes or the patience are over
"""

from __future__ import annotations

import hashlib
import math
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor

from base_models.checkpoint import BaseModel
from eval.face_parsing import load_face_parser
from eval.perceptual import load_perceptual
from fewshot.adapters.folder import check_fits
from fewshot.data.style_set import StyleSet
from fewshot.errors import Interrupted
from fewshot.files import atomic_write_bytes, clear_write_errors
from fewshot.output import notice, progress, warn
from fewshot.sheets import png_bytes
from fewshot.training.parts import agree, of_main
from fewshot.training.position import Progressed, check_together, out_of_patience, why_it_ended
from fewshot.training.precision import make_accelerator
from fewshot.training.previews import style_sheet
from fewshot.training.rates import TIMED, steps_in_time
from fewshot.training.run_log import RunLog
from fewshot.training.runs import state_file
from fewshot.training.signals import StopRequest
from fewshot.training.sources import Sources, make_sources
from fewshot.training.state import check_same, clear_state, load_state, restoring, save_state
from fewshot.training.style_trainer import StyleTrainer
from fewshot.training.tracking import Tracking
from fewshot.training.validation import Validation
from recipes import Recipe, recipe_hash


class Adaptation:
    """One run of `fewshot adapt`.

    Args:
        drawings: the artist's drawings at the base's size.
        base: the base model.
        recipe: every knob.
        photos: folder or archive of source photos, or None for pseudo-photos.
        run: run folder; `adapter/` inside it appears only when it is complete.
        accelerator: an `accelerate.Accelerator`; by default the device it finds.
        parts: what of the drawings to train on and what to validate with; by default the recipe's split.
        name: what trackers call the run; its folder's name when left out.
        memory_limit: bytes that each process may take; None: what is free.

    Raises:
        BadInputError: there is not enough memory.
    """

    def __init__(
        self,
        drawings: StyleSet,
        base: BaseModel,
        recipe: Recipe,
        photos: Path | None,
        run: Path,
        accelerator: Accelerator | None = None,
        parts: tuple[StyleSet, StyleSet | None] | None = None,
        name: str = "",
        memory_limit: float | None = None,
    ) -> None:
        self.drawings, self.base, self.recipe, self.run = drawings, base, recipe, run
        self.accelerator, self.name = accelerator or make_accelerator(), name or run.name
        self.train, self.fold = parts or drawings.split(recipe.validation_fraction, recipe.seed)
        if recipe.grey:
            self.train, self.fold = self.train.in_grey(), self.fold and self.fold.in_grey()
        for net in (base.netG_A, base.netG_B):
            net.to(self.accelerator.device)
        self.sources: Sources = make_sources(base, self.train, self.fold, photos)
        features = load_perceptual().to(self.accelerator.device)
        parser = load_face_parser(features).to(self.accelerator.device) if recipe.by_parts else None
        self.trainer = StyleTrainer(
            base, recipe, self.train, self.sources, features, parser, self.accelerator
        )
        check_fits(self.trainer.trainable, recipe)
        self.trainer.fit_memory(memory_limit)
        unseen = self.fold.tensor() if self.fold is not None else self.train.tensor().flip(-1)
        self.validation = Validation(unseen, self.sources.held, self.fold is not None)
        self.at, self.log = Progressed(), RunLog(run / "log.jsonl")
        self.last_step = recipe.steps
        self.best = self.trainer.adapter_tensors()

    def train_style(
        self, *, resume: bool = False, max_minutes: float | None = None, until: int | None = None
    ) -> None:
        """The loop: train, look, keep the best; stops early, at the last step, or when the time is up.

        `until` is a step to pause after, for a caller that scores the result, tells `tracking` of it and may
        resume later.

        Raises:
            Interrupted: Ctrl-C or SIGTERM; the state is saved.
        """
        limit = 60 * (max_minutes or self.recipe.max_minutes)
        # A stop is heeded from the first saved state on, though the other processes are still beginning.
        with StopRequest() as stop:
            self._begin(resume)
            self.last_step = min(self.recipe.steps, until or self.recipe.steps)
            self._loop(stop, limit, limit if until is None else math.inf)
        if until is None:
            self.tracking.finish()
        notice(why_it_ended(self.at, self.recipe, self.last_step, limit))

    def _begin(self, resume: bool) -> None:
        if not (resume := resume and self._restore()):
            # From here on it is this run that is unfinished, and no older one of its name.
            self._clear()
            self._save()
        check_together(self.accelerator, self.at.step)
        config = vars(self.recipe) | self._settings() | {"step at start": self.at.step}
        self.tracking = Tracking(self.accelerator, self.run, self.name, config, resume=resume)

    def _loop(self, stop: StopRequest, limit: float, planned: float) -> None:
        recipe, at = self.recipe, self.at
        with progress("adapting", recipe.steps, start=at.step) as bar:
            if at.step == 0:
                self._look()
            clock, bar.most = time.monotonic(), limit - at.seconds
            while not self._is_over(limit):
                self._plan(planned)
                losses = self.trainer.step(at.step)
                if not all(map(math.isfinite, losses.values())):
                    warn(self.trainer.what_broke(at.step, losses))
                    break
                at.step += 1
                now = time.monotonic()
                at.seconds, clock = at.seconds + now - clock, now
                stopping, at.seconds = agree(self.accelerator, stop.requested, at.seconds)
                looking = at.step % recipe.eval_every == 0 or self._is_over(limit)
                if looking:
                    self._look()
                    self._log(losses)
                if looking or stopping:
                    self._save()
                bar.update(at.step, **self._shown(losses))
                if stopping:
                    self.tracking.finish()
                    where = f"stopped at step {at.step} of {recipe.steps}; nothing is lost"
                    raise Interrupted(where, "repeat the command with --resume to go on")

    def _plan(self, limit: float) -> None:
        """Let the rates fall in the time there is, where that is shorter than the recipe's steps."""
        recipe, at = self.recipe, self.at
        if at.step >= TIMED and at.limit != limit:
            at.last, at.limit = steps_in_time(recipe, at, limit), limit
            if at.last < recipe.steps:
                notice(f"time for {at.last} of {recipe.steps} steps: the rates fall sooner")
        self.trainer.last = at.last or recipe.steps

    def _look(self) -> None:
        """Score the averaged weights on the fold, keep them if they are the best, write a preview."""
        results = self.trainer.redraw(self.sources.held)
        if self.at.keeps(of_main(self.accelerator, self.validation.score(self.at.step, results))):
            self.best = self.trainer.adapter_tensors()
        sheet = self.sheet(results)
        self.tracking.show("previews", sheet, self.at.step)
        if self.accelerator.is_main_process:
            atomic_write_bytes(self.run / "samples" / f"step-{self.at.step:06d}.png", png_bytes(sheet))

    def sheet(self, results: Tensor) -> Image.Image:
        """Drawings, held photos and their results, for previews."""
        return style_sheet(self.train.tensor(), self.sources.held, results)

    def _is_over(self, limit: float) -> bool:
        done = self.at.step >= min(self.last_step, self.at.last or self.last_step)
        return done or self.at.seconds >= limit or out_of_patience(self.at, self.recipe)

    def _shown(self, losses: dict[str, float]) -> dict[str, float]:
        score = self.validation.history[-1]["score"]
        return {"style": losses.get("style", 0.0), "score": score, "best": self.at.best_score}

    def _log(self, losses: dict[str, float]) -> None:
        values = {**losses, **self.validation.history[-1], "seconds": self.at.seconds}
        self.tracking.log(values, self.at.step)
        if self.accelerator.is_main_process:
            self.log.add(self.at.step, values)

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            state: dict[str, Any] = {"settings": self._settings(), "recipe": dict(vars(self.recipe))}
            state |= {"at": dict(vars(self.at)), "best": self.best, "history": self.validation.history}
            save_state(self.state_path(), state | {"trainer": self.trainer.state_dict()})
        self.accelerator.wait_for_everyone()

    def _settings(self) -> dict[str, Any]:
        """What the run is made from, the same under other file names and on any number of threads."""
        # Those that netG_B made follow from base and drawings, to the last bit that depends on the machine.
        photos = self.sources.photos[self.sources.made :]
        return {
            "recipe": recipe_hash(self.recipe),
            "base": self.base.sha256,
            "drawings": sorted(self.drawings.hashes),
            "photos": hashlib.sha256(photos.numpy().tobytes()).hexdigest(),
        }

    def _clear(self) -> None:
        """Nothing of an older run of this name is left among the new one's lines."""
        if not self.accelerator.is_main_process:
            return
        with clear_write_errors(self.run):
            clear_state(self.state_path())
            self.log.clear()
            for old in (self.run / "samples").glob("step-*.png"):
                old.unlink()

    def _restore(self) -> bool:
        """Take up the saved state; False where there is none."""
        state = load_state(self.state_path())
        if state is None:
            notice("nothing to resume: starting anew")
            return False
        check_same(self.run, state, self._settings(), vars(self.recipe))
        with restoring(self.run, "finish it with that version, or start over with --overwrite"):
            self.trainer.load_state_dict(state["trainer"])
        self.at = Progressed(**state["at"])
        self.best = state["best"]
        self.validation.history = state["history"]
        if self.accelerator.is_main_process:
            self.log.forget_after(self.at.step)
        return True

    def state_path(self) -> Path:
        """File of the resumable state; gone once the adapter is written."""
        return state_file(self.run)

    @torch.no_grad()
    def results_of_base(self) -> Tensor:
        """The held photos as the base alone draws them."""
        with self.trainer.G.disable_adapter():
            return self.trainer.redraw(self.sources.held)

    def results_of_best(self) -> Tensor:
        """The held photos as the kept weights draw them; the average is set to those weights."""
        for key, tensor in self.trainer.ema.shadow.items():
            tensor.copy_(self.best[key])
        return self.trainer.redraw(self.sources.held)

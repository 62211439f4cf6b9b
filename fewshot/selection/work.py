"""What a process does for a study: take a training, do it, score it, until all is decided or time is up."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fewshot.errors import Interrupted
from fewshot.output import notice, warn
from fewshot.selection.choice import objective
from fewshot.selection.rungs import rung_steps
from fewshot.selection.scores import FoldScore, summarise
from fewshot.selection.study import Study
from fewshot.selection.trial import Bench, OutOfTimeError, UnfitError, seconds_in
from fewshot.selection.tried import Tried, evidence_key, fold_key
from recipes import Recipe, RecipeError

_POLL = 0.5
"""Seconds between looks at what other processes have done."""


@dataclass(frozen=True)
class Work:
    """One process's part of a study."""

    study: Study
    """What is to be done."""
    bench: Bench
    """Trains and scores."""
    folder: Path
    """Where this machine keeps the trainings."""

    def run(self) -> None:
        """Train and score until everything is decided or the minutes are over.

        Raises:
            Interrupted: Ctrl-C; states are saved, and the same command goes on.
        """
        closed = False
        while True:
            job, busy = self.study.next_job(closed)
            if job is not None:
                number, rung = job
                try:
                    self._train(number, rung)
                except OutOfTimeError:
                    closed = True
                    notice(f"{self.study.limits.minutes:g} minutes are over")
                except Interrupted as error:
                    raise Interrupted(str(error), "repeat the same command to go on") from None
                finally:
                    self.study.store.release(number)
            elif busy:
                time.sleep(_POLL)
            else:
                break
        self._forget_states()

    def _train(self, number: int, rung: int) -> None:
        """All folds of a trial to a rung; folds that were scored before a kill are not done again."""
        one = next(t for t in self.study.tried() if t.number == number)
        if one.rung >= rung:
            # Another process reported between our look and our claim.
            return
        try:
            recipe = self.study.space.recipe(one.params)
            steps = rung_steps(recipe, self.study.limits.rungs)
            scores = [self._fold(one, recipe, fold, rung, steps) for fold in range(len(one.folds))]
        except (RecipeError, UnfitError) as error:
            warn(f"{one.label} is left out: {error}")
            self.study.fail(number, str(error))
            return
        found = summarise(scores)
        required = self.study.limits.content_share * found.content_base
        value = objective(found.left.value, found.style.value, found.content.value, required)
        self.study.report(one, value)
        step = max(score.step for score in scores)
        notice(
            f"{one.label} at step {step}: {found.left.value:.0%} of the base's distance left, "
            f"style {found.style.value:.0%}, content {found.content.value:.0%}"
        )

    def _fold(self, one: Tried, recipe: Recipe, fold: int, rung: int, steps: Sequence[int]) -> FoldScore:
        """The score of one fold at a rung, from the record or from training."""
        done = one.folds[fold]
        if len(done) > rung:
            return done[rung]
        if done and (steps[rung] == steps[rung - 1] or done[-1].step < steps[rung - 1]):
            return self._same_again(one, fold, rung)
        left = self.study.seconds_left()
        if left <= 0:
            raise OutOfTimeError
        trials = max(self.study.limits.trials, one.number + 1)
        notice(f"trial {one.number + 1} of {trials}, {one.label}: fold {fold + 1} of {len(one.folds)}")
        run = self._folder(one.number) / fold_key(fold)
        spent = done[-1].overhead if done else 0.0
        try:
            score, evidence = self.bench.train_and_score(
                recipe,
                fold,
                rung=rung,
                until=steps[rung],
                run=run,
                seconds_left=left,
                overhead=spent,
                name=f"{self.study.name} {one.label}, {fold_key(fold)}",
            )
        except (OutOfTimeError, Interrupted):
            self.study.record_partial(one.number, fold, seconds_in(run))
            raise
        self.study.store.keep(one.number, evidence_key(fold, rung), evidence.to_bytes())
        self.study.record(one.number, fold, [*done, score])
        return score

    def _same_again(self, one: Tried, fold: int, rung: int) -> FoldScore:
        """A training that ended by itself, or whose next rung is no further, has its score there too."""
        score = replace(one.folds[fold][-1], rung=rung)
        evidence = self.study.store.fetch(one.number, evidence_key(fold, rung - 1))
        if evidence is not None:
            self.study.store.keep(one.number, evidence_key(fold, rung), evidence)
        self.study.record(one.number, fold, [*one.folds[fold], score])
        return score

    def _folder(self, number: int) -> Path:
        return self.folder / "trials" / f"{number:04d}"

    def _forget_states(self) -> None:
        """States of what is decided are for nothing; previews and logs stay."""
        for one in self.study.tried():
            if one.state != "open":
                for state in self._folder(one.number).glob("fold-*/state"):
                    shutil.rmtree(state, ignore_errors=True)

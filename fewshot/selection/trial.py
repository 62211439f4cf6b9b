"""One recipe on one fold: train to a rung, score what was kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from base_models.registry import create_model
from fewshot.data.style_set import StyleSet
from fewshot.errors import BadInputError, OutOfMemoryError
from fewshot.home import base_folder
from fewshot.selection.evidence import SHOWN, Evidence
from fewshot.selection.folds import Parts
from fewshot.selection.judge import Judge, Scored
from fewshot.selection.scores import FoldScore
from fewshot.training.adaptation import Adaptation
from fewshot.training.precision import make_accelerator
from fewshot.training.runs import is_unfinished, state_file
from fewshot.training.sources import make_sources
from fewshot.training.state import load_state
from recipes import Recipe

_SIDE = 112
"""Side of the pictures that are kept for the report, px."""


class OutOfTimeError(Exception):
    """The study's minutes are over; the training's state is saved and nothing was scored."""


class UnfitError(Exception):
    """This recipe cannot be trained on these pictures; others may."""


@dataclass(frozen=True)
class Court:
    """What all trials of a fold are judged by."""

    judge: Judge
    """Knows the fold's drawings."""
    photos: Tensor
    """uint8 `(M, 3, S, S)`: the photos that every trial draws, never trained on."""
    drawn: Tensor
    """What the base alone makes of them."""
    base: Scored
    """The base's scores."""


@dataclass(frozen=True)
class Bench:
    """Trains and scores on the folds of one artist; remembers what all trials of a fold share."""

    drawings: StyleSet
    """All drawings at the base's size."""
    folds: tuple[Parts, ...]
    """From `make_folds`."""
    base: str
    """Name or file of the base model."""
    photos: Path | None
    """The user's photos; None for rendered ones and pseudo-photos."""
    track: tuple[str, ...] = ()
    """Trackers that every training tells."""
    memory_limit: float | None = None
    """Bytes that each training may take; None: what is free."""
    _courts: dict[int, Court] = field(default_factory=dict, repr=False)
    """By fold."""

    def train_and_score(
        self,
        recipe: Recipe,
        fold: int,
        *,
        rung: int,
        until: int,
        run: Path,
        seconds_left: float,
        overhead: float = 0.0,
        name: str = "",
    ) -> tuple[FoldScore, Evidence]:
        """Train to step `until`, going on from the state in `run`, and score the kept weights.

        Args:
            recipe: every knob.
            fold: number of the fold.
            rung: number of the rung, for the record.
            until: step to pause at.
            run: folder of this trial and fold.
            seconds_left: of training, until the budget is over.
            overhead: seconds of loading and scoring at earlier rungs.
            name: what trackers call the training.

        Raises:
            UnfitError: an adapter that no folder can hold.
            OutOfTimeError: the budget is over before `until`; the state is saved.
            Interrupted: Ctrl-C; the state is saved.
        """
        start = time.monotonic()
        model = create_model(self.base, folders=[base_folder()])
        accelerator = make_accelerator(track=self.track, folder=run)
        try:
            job = Adaptation(
                *(self.drawings, model, recipe, self.photos, run, accelerator),
                parts=self.folds[fold],
                name=name,
                memory_limit=self.memory_limit,
            )
        except OutOfMemoryError:
            # Of this moment, not of the recipe.
            raise
        except BadInputError as error:
            raise UnfitError(str(error)) from None
        before = seconds_in(run)
        limit = min(60 * recipe.max_minutes, before + seconds_left)
        job.train_style(resume=is_unfinished(run), max_minutes=limit / 60, until=until)
        if job.at.step < until and limit <= job.at.seconds < 60 * recipe.max_minutes:
            job.tracking.finish()
            raise OutOfTimeError
        court = self._court(fold, job)
        results = job.results_of_best()
        if recipe.grey:
            # Its own photos are made from grey drawings; all trials are to draw the same ones.
            results = job.trainer.redraw(court.photos)
        scored = court.judge.score(results)
        passed = time.monotonic() - start
        score = FoldScore(
            rung=rung,
            step=job.at.step,
            best_step=job.at.best_step,
            seconds=job.at.seconds,
            overhead=overhead + passed - (job.at.seconds - before),
            kid=scored.kid,
            kid_base=court.base.kid,
            fid=scored.fid,
            style=scored.style,
            content=scored.content,
            content_base=court.base.content.value,
        )
        distances = {f"KID {name}": estimate.value for name, estimate in scored.kid.items()}
        told = distances | {"style": scored.style.value, "content": scored.content.value}
        job.tracking.log({f"fold/{key}": value for key, value in told.items()}, job.at.step)
        job.tracking.finish()
        pictures, photos, drawn = map(_small, (results, court.photos, court.drawn))
        return score, Evidence(scored.features, scored.hits, pictures, photos, drawn)

    def references(self, fold: int) -> dict[str, np.ndarray]:
        """Features of the drawings that a fold's results are compared with, by extractor."""
        if fold in self._courts:
            return self._courts[fold].judge.references
        return Judge.references_of(self.compared(fold))

    def compared(self, fold: int) -> Tensor:
        """The drawings that a fold's results are compared with; without folds all of them, mirrored."""
        train, kept = self.folds[fold]
        return train.tensor().flip(-1) if kept is None else kept.tensor()

    def _wholes(self, fold: int) -> Tensor:
        """The same before they were cut about their faces."""
        train, kept = self.folds[fold]
        return train.wholes().flip(-1) if kept is None else kept.wholes()

    def _court(self, fold: int, job: Adaptation) -> Court:
        """Made from the first training of a fold, whatever its recipe."""
        if fold not in self._courts:
            photos = job.sources.held
            if job.recipe.grey:
                photos = make_sources(job.base, *self.folds[fold], self.photos).held
            judge = Judge(self.drawings, self.compared(fold), self._wholes(fold), photos)
            with job.trainer.G.disable_adapter():
                drawn = job.trainer.redraw(photos)
            self._courts[fold] = Court(judge, photos, drawn, judge.score(drawn))
        return self._courts[fold]


def seconds_in(run: Path) -> float:
    """Training time before the state in a run folder was saved; 0 where there is none."""
    saved = load_state(state_file(run))
    return float(saved["at"]["seconds"]) if saved else 0.0


def _small(pictures: Tensor) -> np.ndarray:
    """The first pictures, at most `_SIDE` px wide, uint8 `(K, 3, s, s)`."""
    shown = pictures[:SHOWN]
    if shown.shape[-1] > _SIDE:
        resized = F.interpolate(shown.float(), (_SIDE, _SIDE), mode="bilinear", antialias=True)
        shown = resized.round().clamp(0, 255).byte()
    return np.asarray(shown.numpy())

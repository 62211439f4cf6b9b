"""The study: Optuna's ask and tell around trials that pause at rungs, shared by any number of processes.

Every process takes its jobs here (`work.py` does them). Under the study's lock it settles what the scores
decide (`rungs.decide`) and takes the next training that no other process has, with the trial's own lock. A
process that is killed loses its locks, and the next one goes on from the state it had saved.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from fewshot.errors import ConflictError
from fewshot.selection.rungs import Decision, Standing, decide, next_bracket
from fewshot.selection.scores import FoldScore
from fewshot.selection.space import Space
from fewshot.selection.storage import STUDY, Store, locked
from fewshot.selection.tried import BRACKET, PARTIAL, PROBLEM, VALUES, Tried, fold_key, read_trial

_SETTINGS = "settings"


@dataclass(frozen=True)
class Limits:
    """How much is tried."""

    rungs: int = 3
    """How often trials are compared; 1 trains all to the end."""
    trials: int = 1
    """Trials in all."""
    minutes: float | None = None
    """Of training and scoring, over all processes and calls; None is no limit."""
    exhaustive: bool = False
    """Whether all combinations of the knobs' values are tried, rather than sampled ones."""
    content_share: float = 0.8
    """Share of what the base keeps of the photos' content that a recipe has to keep."""
    seed: int = 0
    """Of folds and sampler."""


@dataclass
class Study:
    """What is known and decided so far.

    Raises:
        ConflictError: a study of that name is about something else.
    """

    name: str
    """Of the study, in the store too."""
    store: Store
    """Where scores and decisions are."""
    space: Space
    """What is tried."""
    folds: int
    """Folds that each trial is scored on."""
    limits: Limits
    """How much is tried."""
    settings: Mapping[str, Any]
    """What must be the same in all calls and processes."""
    _study: optuna.Study = field(init=False, repr=False)

    def __post_init__(self) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with locked(self.store, STUDY):
            self._study = optuna.create_study(
                study_name=self.name, storage=self.store.storage, load_if_exists=True
            )
            known = self._study.user_attrs.get(_SETTINGS)
            if known is None:
                self._study.set_user_attr(_SETTINGS, known := dict(self.settings))
        changed = [key for key, value in self.settings.items() if known.get(key) != value]
        if changed:
            raise ConflictError(
                f"the study {self.name!r} in {self.store.where} has other {' and '.join(changed)}",
                "start another one with --study NAME, or repeat its own command to go on with it",
            )

    def tried(self) -> list[Tried]:
        """All trials in the order they were asked."""
        known = self._study.get_trials(deepcopy=False)
        return [read_trial(t, self.space, self.folds) for t in known if BRACKET in t.user_attrs]

    def seconds_left(self) -> float:
        """Until the budget is over; what a killed training did since its last saved score is not counted."""
        limit = self.limits.minutes
        return math.inf if limit is None else 60 * limit - sum(t.spent for t in self.tried())

    def next_job(self, closed: bool = False) -> tuple[tuple[int, int] | None, bool]:
        """Trial and rung to train now, its lock taken; or None, and whether other processes are at work.

        Args:
            closed: take nothing more, since the time is up.
        """
        with locked(self.store, STUDY):
            decision = self._settle()
            over = closed or self.seconds_left() <= 0
            if not decision.train and not over and self._ask():
                decision = self._settle()
            busy = False
            for number, rung in decision.train:
                if not self.store.claim(number):
                    busy = True
                elif not over:
                    return (number, rung), False
                else:
                    self.store.release(number)
            return None, busy

    def record(self, number: int, fold: int, scores: Sequence[FoldScore]) -> None:
        """Keep the scores of one fold, by rung."""
        self._set(number, fold_key(fold), [score.to_json() for score in scores])

    def record_partial(self, number: int, fold: int, seconds: float) -> None:
        """Keep how long a training took that stopped between two rungs."""
        self._set(number, f"{PARTIAL}{fold}", seconds)

    def report(self, one: Tried, value: float) -> None:
        """Keep the objective of a trial at its next rung."""
        # By rungs, as trials are compared: the steps of one rung differ from recipe to recipe.
        self.store.storage.set_trial_intermediate_value(self._id(one.number), one.rung + 1, value)
        self._set(one.number, VALUES, [*one.values, value])

    def fail(self, number: int, problem: str) -> None:
        """End a trial that cannot be trained."""
        self._set(number, PROBLEM, problem)
        self._study.tell(number, state=TrialState.FAIL)

    def note(self, key: str, value: Any = None) -> Any:
        """Set an attribute of the study, or read it where there is no value."""
        if value is not None:
            self._study.set_user_attr(key, value)
        return self._study.user_attrs.get(key)

    def _settle(self) -> Decision:
        """Tell Optuna what the scores so far decide."""
        tried = [one for one in self.tried() if one.state != "failed"]
        decision = decide([Standing(t.number, t.bracket, t.values) for t in tried], self.limits.rungs)
        for one in tried:
            if one.state == "open" and one.number in decision.pruned:
                self._study.tell(one.number, state=TrialState.PRUNED)
            elif one.state == "open" and one.number in decision.complete:
                self._study.tell(one.number, one.values[-1])
        return decision

    def _ask(self) -> bool:
        """Ask for the next bracket; whether there is one. First all that is fixed, then sampled knobs."""
        tried = self.tried()
        first = self.space.grid() if self.limits.exhaustive else self.space.written()
        made = [dict(one.params) for one in tried]
        missing = [params for params in first if params not in made]
        distributions = self.space.distributions()
        if missing:
            for params in missing:
                self._study.enqueue_trial(params)
                trial = self._study.ask({name: distributions[name] for name in params})
                trial.set_user_attr(BRACKET, 0)
            return True
        count = next_bracket(len(tried), len(first), self.limits.trials)
        # Processes would repeat each other's draws if all started from one seed.
        # In groups, since the first trials have no knobs: else they would be passed over for the others.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._study.sampler = optuna.samplers.TPESampler(
                seed=self.limits.seed + len(tried),
                multivariate=True,
                group=True,
                n_startup_trials=len(first),
            )
        for _ in range(count):
            trial = self._study.ask(distributions)
            trial.set_user_attr(BRACKET, 1 + max(one.bracket for one in tried))
        return count > 0

    def _set(self, number: int, key: str, value: Any) -> None:
        self.store.storage.set_trial_user_attr(self._id(number), key, value)

    def _id(self, number: int) -> int:
        storage = self.store.storage
        return storage.get_trial_id_from_study_id_trial_number(
            storage.get_study_id_from_name(self.name), number
        )

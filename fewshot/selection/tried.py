"""A trial as the study's storage knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from optuna.trial import FrozenTrial, TrialState

from fewshot.selection.choice import Candidate
from fewshot.selection.scores import FoldScore, Summary, summarise
from fewshot.selection.space import Space

BRACKET, VALUES, PROBLEM = "bracket", "values", "problem"
"""User attributes of a trial: the bracket it was asked in, its objective at each rung, why it failed."""
PARTIAL = "partial-"
"""Before a fold's number: seconds of a training that stopped between two rungs."""
_STATES = {TrialState.PRUNED: "pruned", TrialState.COMPLETE: "complete", TrialState.FAIL: "failed"}


def fold_key(fold: int) -> str:
    """User attribute with the scores of one fold by rung, and folder of its training."""
    return f"fold-{fold}"


def evidence_key(fold: int, rung: int) -> str:
    """What `Store.keep` has of one fold at one rung."""
    return f"fold-{fold}-rung-{rung}"


@dataclass(frozen=True)
class Tried:
    """One recipe of the study and what is known of it."""

    number: int
    """Of the trial, from 0."""
    params: Mapping[str, Any]
    """Recipe and knobs."""
    label: str
    """The same in words."""
    state: str
    """`open`, `pruned`, `complete` or `failed`."""
    bracket: int
    """Trials of one bracket are compared with each other."""
    values: tuple[float, ...]
    """Objective at each rung."""
    folds: tuple[tuple[FoldScore, ...], ...]
    """Scores by fold, then by rung; the rung that is being trained may be there for some folds."""
    partial: tuple[float, ...] = ()
    """Seconds of trainings that stopped between two rungs, by fold."""
    problem: str = ""
    """Why it failed."""

    @property
    def rung(self) -> int:
        """The last one at which all folds were scored; -1 before the first."""
        return len(self.values) - 1

    @property
    def scores(self) -> tuple[FoldScore, ...]:
        """Of all folds at the last common rung; empty before the first."""
        return tuple(fold[self.rung] for fold in self.folds) if self.values else ()

    @property
    def summary(self) -> Summary | None:
        """Over all folds at the last common rung."""
        return summarise(self.scores) if self.values else None

    @property
    def spent(self) -> float:
        """Seconds that its trainings took, with loading and scoring."""
        scored = [(fold[-1].seconds, fold[-1].overhead) if fold else (0.0, 0.0) for fold in self.folds]
        partial = self.partial or (0.0,) * len(scored)
        return sum(max(s, p) + overhead for (s, overhead), p in zip(scored, partial, strict=True))

    def at(self, rung: int) -> Self:
        """The trial as it was after that rung, or as it is where it has not come further."""
        folds = tuple(fold[: rung + 1] for fold in self.folds)
        return replace(self, values=self.values[: rung + 1], folds=folds)

    def candidate(self, content_share: float) -> Candidate | None:
        """What can be chosen; None before the first rung."""
        found = self.summary
        if found is None:
            return None
        return Candidate(
            self.number,
            self.label,
            left=found.left.value,
            style=found.style.value,
            content=found.content.value,
            required=content_share * found.content_base,
            seconds=found.seconds,
            rung=self.rung,
        )


def comparable(tried: Sequence[Tried]) -> list[Tried]:
    """Scored trials as they were when those that go on were last compared with each other.

    Where the time is up in the middle of a rung, whoever was trained to it first was not better than the
    others, who would have followed; where a trial was decided there before, all that came so far count.
    """
    scored = [one for one in tried if one.values and one.state != "failed"]
    last = max((one.rung for one in scored), default=0)
    waiting = {one.bracket for one in tried if one.state == "open" and one.rung < last}
    if last and all(one.bracket in waiting for one in scored if one.rung == last):
        return [one.at(last - 1) for one in scored]
    return scored


def read_trial(trial: FrozenTrial, space: Space, folds: int) -> Tried:
    """From Optuna's record of a trial that was asked by this package."""
    attributes = trial.user_attrs
    scores = tuple(
        tuple(FoldScore.from_json(record) for record in attributes.get(fold_key(fold), ()))
        for fold in range(folds)
    )
    return Tried(
        number=trial.number,
        params=trial.params,
        label=space.label(trial.params),
        state=_STATES.get(trial.state, "open"),
        bracket=attributes[BRACKET],
        values=tuple(attributes.get(VALUES, ())),
        folds=scores,
        partial=tuple(float(attributes.get(f"{PARTIAL}{fold}", 0)) for fold in range(folds)),
        problem=attributes.get(PROBLEM, ""),
    )

"""Successive halving: who trains on and who is pruned, as pure functions of the scores so far.

All trials of a bracket train to the first rung; the best third goes on to the next, and so on to the end
(Jamieson and Talwalkar, arXiv 1502.07943). Optuna's own `SuccessiveHalvingPruner` decides about each trial
when it arrives, against those that came before, so the first of a study always trains to the end, which is
much of a budget for ten trials. States are kept here, so a rung waits until all its trials are scored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recipes import Recipe

REDUCTION = 3
"""One in so many trials goes on at each rung, and the next rung is so many times as far."""


@dataclass(frozen=True)
class Standing:
    """How far a trial has come."""

    number: int
    """Of the trial."""
    bracket: int
    """Trials of one bracket are compared with each other."""
    values: tuple[float, ...]
    """Its objective at each rung that it has reached, lower is better."""


@dataclass(frozen=True)
class Decision:
    """What follows from all standings."""

    train: tuple[tuple[int, int], ...]
    """Number of the trial and the rung to train it to, in the order to do it."""
    pruned: tuple[int, ...]
    """Trials that end before the last rung."""
    complete: tuple[int, ...]
    """Trials that were scored at the last rung, in brackets where all that went on were."""


def rung_steps(recipe: Recipe, rungs: int) -> tuple[int, ...]:
    """Training steps of each rung, the last being the recipe's own; multiples of `eval_every` before it.

    A look is due at such steps anyway, so a trial that pauses there trains exactly like one that does not. A
    recipe of few looks has fewer different steps than rungs.
    """
    last, every = recipe.steps, recipe.eval_every
    parts = (last / REDUCTION ** (rungs - 1 - i) for i in range(rungs))
    whole = (min(last, max(1, math.floor(part / every + 0.5)) * every) for part in parts)
    return (*list(whole)[:-1], last)


def next_bracket(asked: int, written: int, trials: int) -> int:
    """How many trials are asked for next, to be compared with each other; 0 where all were.

    Args:
        asked: so far, whole brackets.
        written: trials that stand for recipes as they are written: the first bracket.
        trials: in all; what is beyond the written ones is sampled, nine and nine.
    """
    return min(REDUCTION**2 if asked else written, trials - asked)


def survivors(count: int) -> int:
    """How many of `count` trials go on: a third, at least one."""
    return max(1, math.floor(count / REDUCTION + 0.5))


def decide(standings: Sequence[Standing], rungs: int) -> Decision:
    """Apply the rule to every bracket; the order of `standings` does not matter.

    Args:
        standings: of all trials, pruned and complete ones included, failed ones not.
        rungs: how many there are; with one there is no pruning.

    Raises:
        ValueError: more values than rungs.
    """
    train: list[tuple[int, int]] = []
    pruned: list[int] = []
    complete: list[int] = []
    for bracket in sorted({s.bracket for s in standings}):
        alive = sorted((s for s in standings if s.bracket == bracket), key=lambda s: s.number)
        if any(len(s.values) > rungs for s in alive):
            raise ValueError(f"a trial has more scores than the {rungs} rungs")
        for rung in range(rungs):
            missing = [s.number for s in alive if len(s.values) <= rung]
            if missing:
                train += [(number, rung) for number in missing]
                break
            if rung == rungs - 1:
                complete += [s.number for s in alive]
                break
            # Equal scores: the trial that was asked first, so that every process decides alike.
            ranked = sorted(alive, key=lambda s: (s.values[rung], s.number))
            alive = ranked[: survivors(len(ranked))]
            pruned += [s.number for s in ranked[len(alive) :]]
    # Of one rung the best so far first: should the time be up, the others are missed least.
    train.sort(key=lambda job: job[1])
    return Decision(tuple(train), tuple(sorted(pruned)), tuple(sorted(complete)))

"""Successive halving as pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.selection.rungs import Standing, decide, rung_steps, survivors
from recipes import apply_overrides, load_recipe

SCORES = st.lists(st.floats(-1, 10, allow_nan=False), min_size=1, max_size=20)


def play(objectives: list[list[float]], rungs: int) -> tuple[list[Standing], list[tuple[int, int]]]:
    """Train what is decided, one job at a time, until nothing is left; the final standings and the jobs."""
    values: list[list[float]] = [[] for _ in objectives]
    jobs: list[tuple[int, int]] = []
    while True:
        standings = [Standing(n, 0, tuple(v)) for n, v in enumerate(values)]
        decision = decide(standings, rungs)
        if not decision.train:
            return standings, jobs
        number, rung = decision.train[0]
        assert len(values[number]) == rung
        values[number].append(objectives[number][rung])
        jobs.append((number, rung))


@given(SCORES, st.integers(1, 4))
def test_every_trial_ends_once_and_the_best_of_constant_scores_is_trained_to_the_end(
    scores: list[float], rungs: int
) -> None:
    standings, jobs = play([[score] * rungs for score in scores], rungs)
    decision = decide(standings, rungs)
    assert len(jobs) == len(set(jobs))
    assert sorted([*decision.pruned, *decision.complete]) == list(range(len(scores)))
    best = min(range(len(scores)), key=lambda n: (scores[n], n))
    assert best in decision.complete
    assert max(scores[n] for n in decision.complete) <= min(
        (scores[n] for n in decision.pruned), default=float("inf")
    )


@given(st.lists(st.lists(st.floats(-1, 10), min_size=3, max_size=3), min_size=1, max_size=15), st.randoms())
def test_processes_that_see_the_trials_in_another_order_decide_alike(
    objectives: list[list[float]], random: object
) -> None:
    standings, _ = play(objectives, 3)
    shuffled = list(standings)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(shuffled, 3) == decide(standings, 3)


def test_a_rung_waits_for_all_its_trials_and_brackets_do_not_wait_for_each_other() -> None:
    first = [Standing(0, 0, (1.0,)), Standing(1, 0, ())]
    second = [Standing(n, 1, (float(n),)) for n in range(2, 8)]
    decision = decide([*first, *second], 2)
    assert decision.train == ((1, 0), (2, 1), (3, 1))
    assert decision.pruned == (4, 5, 6, 7)
    assert decision.complete == ()


def test_the_best_go_on_first() -> None:
    decision = decide([Standing(n, 0, (value,)) for n, value in enumerate([0.9, 0.8, 1.2, 0.3, 1.5])], 2)
    assert decision.train == ((3, 1), (1, 1))


def test_one_rung_prunes_nothing() -> None:
    decision = decide([Standing(n, 0, (float(n),)) for n in range(9)], 1)
    assert decision.complete == tuple(range(9))
    assert decision.pruned == ()


def test_more_scores_than_rungs_are_refused() -> None:
    with pytest.raises(ValueError, match="rungs"):
        decide([Standing(0, 0, (1.0, 2.0))], 1)


@given(st.integers(1, 400), st.integers(1, 50), st.integers(1, 5))
def test_rungs_rise_to_the_last_step_and_fall_on_looks(steps: int, every: int, rungs: int) -> None:
    every = min(every, steps)
    short = [f"steps={steps}", f"eval_every={every}", "warmup_steps=0"]
    recipe = apply_overrides(load_recipe("quick"), short)
    found = rung_steps(recipe, rungs)
    assert len(found) == rungs
    assert found[-1] == steps
    assert list(found) == sorted(found)
    assert all(step % every == 0 or step == steps for step in found)
    assert found[0] > 0


def test_a_third_goes_on() -> None:
    assert [survivors(n) for n in (1, 2, 3, 5, 6, 9, 12)] == [1, 1, 1, 2, 2, 3, 4]
    assert rung_steps(load_recipe("quick"), 3) == (75, 225, 600)

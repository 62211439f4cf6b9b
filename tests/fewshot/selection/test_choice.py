"""The constraint, the Pareto set and the recommendation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.intervals import Estimate
from fewshot.selection.choice import CHEAPER, Candidate, objective, pareto_front, recommend
from fewshot.selection.compare import _by_photo
from fewshot.selection.scores import FoldScore, summarise
from fewshot.selection.tried import Tried, comparable

SHARE = st.integers(0, 96).map(lambda hits: hits / 96)
"""Shares are counts of results."""


@st.composite
def candidates(draw: st.DrawFn, size: int = 12) -> list[Candidate]:
    rows = draw(
        st.lists(
            st.tuples(st.floats(-0.1, 2), SHARE, SHARE, st.floats(1, 1000), st.integers(0, 2)),
            min_size=1,
            max_size=size,
        )
    )
    return [
        Candidate(n, f"r{n}", left, style, content, 0.7, seconds, rung)
        for n, (left, style, content, seconds, rung) in enumerate(rows)
    ]


def beats(one: Candidate, other: Candidate) -> bool:
    return (
        one.left <= other.left
        and one.style >= other.style
        and (one.left, one.style) != (other.left, other.style)
    )


@given(candidates())
def test_the_front_is_exactly_what_nothing_beats(found: list[Candidate]) -> None:
    front = set(pareto_front(found))
    for one in found:
        assert (one.number in front) == (not any(beats(other, one) for other in found))
    assert front


@given(candidates(), st.randoms())
def test_the_order_does_not_matter(found: list[Candidate], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert recommend(shuffled) == recommend(found)


@given(candidates())
def test_content_is_kept_wherever_anyone_trained_furthest_keeps_it(found: list[Candidate]) -> None:
    choice = recommend(found)
    last = max(c.rung for c in found)
    taken = next(c for c in found if c.number == choice.number)
    assert taken.rung == last
    sound = [c for c in found if c.rung == last and c.keeps_content]
    if sound:
        assert taken.keeps_content
        assert min(c.objective for c in sound) == next(c.objective for c in sound if c.number == choice.best)
    else:
        assert "none of" in choice.reason
        assert taken.content == max(c.content for c in found if c.rung == last)
    assert all(c.keeps_content for c in found if c.number in choice.pareto)


@given(candidates())
def test_among_ties_the_cheapest_wins_unless_the_best_is_about_as_cheap(found: list[Candidate]) -> None:
    choice = recommend(found, lambda a, b: True)
    sound = [c for c in found if c.rung == max(c.rung for c in found) and c.keeps_content]
    if not sound:
        return
    taken, best = (next(c for c in sound if c.number == n) for n in (choice.number, choice.best))
    assert set(choice.tied) == {c.number for c in sound} - {choice.best}
    if taken is best:
        assert all(c.seconds >= CHEAPER * best.seconds for c in sound)
    else:
        assert taken.seconds == min(c.seconds for c in sound)
        assert "times as long" in choice.reason
        assert best.label in choice.reason


@given(SHARE, SHARE, SHARE, SHARE, st.floats(0, 0.5))
def test_the_objective_falls_with_style_and_rises_with_distance_and_lost_content(
    left: float, style: float, content: float, required: float, more: float
) -> None:
    here = objective(left, style, content, required)
    assert objective(left + more, style, content, required) >= here
    assert objective(left, style + more, content, required) <= here
    assert objective(left, style, content + more, required) <= here
    assert objective(left, style, required + more, required) == objective(left, style, 1.0, required)


def test_the_reason_gives_the_numbers() -> None:
    good = Candidate(0, "bold", 0.4, 0.75, 0.9, 0.7, 100, 2)
    lossy = replace(good, number=1, label="wild", left=0.1, content=0.5)
    early = replace(good, number=2, label="early", left=0.05, rung=1)
    choice = recommend([lossy, good, early])
    # One that was scored earlier does not compare, however good it was.
    assert (choice.number, choice.pareto) == (0, (0,))
    for words in ("bold", "40%", "75%", "90%", "the only recipe trained to the end"):
        assert words in choice.reason
    # One that came furthest alone was ahead of the others, and is not called the only one that keeps content.
    ahead = recommend([good, early, replace(early, number=3)])
    assert ahead.reason.startswith("bold: the one of 3 recipes that was left at the end; 40%")
    # Where the time was up before, it says so.
    assert "the only recipe that came furthest, none to the end," in recommend([good], last=3).reason


def scored(values: list[float]) -> tuple[FoldScore, ...]:
    one = Estimate(0.5, 0.3, 0.7, 4, 32, "style")
    return tuple(
        FoldScore(rung, 15, 15, 1.0, 0.0, {"k": replace(one, value=v)}, {"k": one}, {"k": 1.0}, one, one, 1.0)
        for rung, v in enumerate(values)
    )


def test_who_was_trained_on_first_when_the_time_was_up_is_not_the_best_for_that() -> None:
    def trial(number: int, state: str, *values: float) -> Tried:
        return Tried(number, {}, f"r{number}", state, 0, values, (scored(list(values)),) * 2)

    pruned = [trial(0, "pruned", 0.9), trial(2, "pruned", 1.2)]
    first, second = trial(1, "open", 0.8, 0.1), trial(3, "open", 0.3)
    compared = {one.number: one.values for one in comparable([*pruned, first, second])}
    assert compared == {0: (0.9,), 2: (1.2,), 1: (0.8,), 3: (0.3,)}
    # All that went on are there: they are compared where they are.
    level = comparable([*pruned, first, trial(3, "open", 0.3, 0.2)])
    assert [len(one.values) for one in level] == [1, 1, 2, 2]
    # One was decided there before; of the next bracket some are on their way.
    done = replace(trial(4, "complete", 0.3, 0.2), bracket=1)
    assert max(len(one.values) for one in comparable([first, second, done])) == 2


def test_a_photo_counts_once_in_the_intervals_of_several_folds() -> None:
    one = scored([0.4])[0]
    alone, thrice = summarise([one]), summarise([one] * 3)
    assert (thrice.style.low, thrice.style.high) == (alone.style.low, alone.style.high)
    assert thrice.style.n_y == 32
    rows = np.array([1.0, 0.0, -1.0, 0.0])
    assert _by_photo([rows, rows, rows[:2]]).tolist() == rows.tolist()


def test_nothing_to_choose_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        recommend([])

"""Calibrated matches: probabilities and p-values mean what they say, on simulated hands and real ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.errors import EvalError
from eval.retrieval import StyleIndex
from eval.style_match import CANDIDATES, StyleMatcher
from eval.style_vectors import Space


class Hands:
    """Simulated hands: a centre each, and drawings around it."""

    def __init__(self, known: int, unknown: int, dim: int, noise: float, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.centres = self.rng.normal(size=(known + unknown, dim))
        self.known, self.noise, self.space = known, noise, Space("style", "0" * 64, dim)

    def draw(self, hand: int, n: int) -> np.ndarray:
        return self.centres[hand] + self.noise * self.rng.normal(size=(n, self.centres.shape[1]))

    def index(self, least: int, most: int) -> StyleIndex:
        sizes = self.rng.integers(least, most + 1, self.known)
        return StyleIndex.build(self.space, {str(h): self.draw(h, n) for h, n in enumerate(sizes)})


@pytest.mark.parametrize("pictures", [1, 5])
def test_probabilities_and_p_values_are_calibrated(pictures: int) -> None:
    """New drawings by known hands and by hands that the index never saw, half of each."""
    hands = Hands(40, 200, 24, 2.5, seed=pictures)
    matcher = StyleMatcher(hands.index(8, 24))
    same, probability, p_value = [], [], []
    for trial in range(400):
        known, own = int(hands.rng.integers(hands.known)), trial % 2 == 0
        drawn = known if own else hands.known + int(hands.rng.integers(200))
        found = matcher.match(hands.draw(drawn, pictures), top=CANDIDATES)
        match = next(m for m in found if m.style == str(known))
        same.append(own)
        probability.append(match.probability)
        p_value.append(match.p_value)
    truth, said, p = np.array(same), np.array(probability), np.array(p_value)[~np.array(same)]
    parts = [(said >= low) & (said < low + 0.25) for low in (0.0, 0.25, 0.5, 0.75)]
    gaps = [float(truth[part].mean() - said[part].mean()) for part in parts]
    assert np.average(np.abs(gaps), weights=[part.sum() for part in parts]) < 0.1
    # Never surer than right: where it says "other" or "same", it is so at least as often.
    assert gaps[0] < 0.06
    assert gaps[-1] > -0.06
    assert said[truth].mean() > said[~truth].mean() + 0.3
    # The share of unknown hands that are called near; 200 of them, so 0.06 is three standard errors at 0.1.
    for level in (0.05, 0.1, 0.25):
        assert (p <= level).mean() < level + 0.06
    assert (p <= 0.5).mean() > 0.3


def test_several_pictures_of_a_hand_say_more_than_one() -> None:
    hands = Hands(30, 0, 24, 2.5, seed=3)
    matcher = StyleMatcher(hands.index(10, 20))

    def own_first(pictures: int) -> float:
        found = [(h, matcher.match(hands.draw(h, pictures), 1)[0]) for h in range(30) for _ in range(4)]
        return float(np.mean([str(h) == match.style for h, match in found]))

    assert own_first(8) > own_first(1) + 0.1


def test_no_p_value_is_smaller_than_the_number_of_hands_allows() -> None:
    hands = Hands(9, 0, 24, 0.1, seed=4)
    best, second, *_ = StyleMatcher(hands.index(5, 9)).match(hands.draw(2, 1))
    assert best.style == "2"
    assert best.p_value == pytest.approx(1 / 9)
    assert second.p_value > best.p_value
    assert 0.75 < best.probability < 1
    assert second.probability < 0.5


def test_many_styles_are_searched_for_candidates_and_scored_alike() -> None:
    hands = Hands(300, 0, 24, 1.0, seed=5)
    index = hands.index(3, 5)
    matcher = StyleMatcher(index)
    for hand in (0, 150, 299):
        drawn = hands.draw(hand, 4)
        found = matcher.match(drawn)
        assert found[0].style == str(hand)
        assert len(found) == 10
        assert [m.similarity for m in found] == sorted((m.similarity for m in found), reverse=True)
        cosines = index.space.unit(drawn) @ index.vectors(str(hand)).T
        assert found[0].nearest == str(cosines.max(0).argmax())
        assert found[0].similarity == pytest.approx(np.sort(cosines, 1)[:, -3:].mean(), abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(2, 12), st.integers(1, 6), st.integers(0, 999))
def test_order_and_repetition_of_the_pictures_change_nothing(
    styles: int, drawings: int, pictures: int, seed: int
) -> None:
    hands = Hands(styles, 0, 8, 1.0, seed)
    matcher = StyleMatcher(hands.index(drawings, drawings + 3))
    queries = hands.draw(0, pictures)
    first = matcher.match(queries)
    for same in (queries[hands.rng.permutation(pictures)], queries):
        assert [m.style for m in matcher.match(same)] == [m.style for m in first]
        assert [m.similarity for m in matcher.match(same)] == pytest.approx([m.similarity for m in first])
    twice = matcher.match(np.repeat(queries, 2, 0))
    assert [m.similarity for m in twice] == pytest.approx([m.similarity for m in first], abs=1e-6)
    assert all(0 <= m.probability <= 1 and 1 / styles <= m.p_value + 1e-9 <= 1.1 for m in first + twice)


def test_features_that_tell_nothing_are_a_toss_up() -> None:
    index = StyleIndex.build(Space("style", "0" * 64, 4), {s: np.full((3, 4), 2.0) for s in "abc"})
    for match in StyleMatcher(index).match(np.full((1, 4), 2.0)):
        assert match.probability == pytest.approx(0.5, abs=0.01)
        assert match.p_value == 1


def test_too_little_to_learn_from_and_bad_queries_are_refused() -> None:
    space = Space("style", "0" * 64, 3)
    with pytest.raises(EvalError, match="expected two of two"):
        StyleMatcher(StyleIndex.build(space, {"a": np.eye(3)}))
    with pytest.raises(EvalError, match="expected two of two"):
        StyleMatcher(StyleIndex.build(space, {"a": np.eye(3)[:1], "b": np.eye(3)[1:2]}))
    with pytest.raises(EvalError, match="0 styles"):
        StyleMatcher(StyleIndex(space))
    matcher = StyleMatcher(StyleIndex.build(space, {"a": np.eye(3), "b": -np.eye(3)}))
    with pytest.raises(EvalError, match="no picture"):
        matcher.match(np.zeros((0, 3)))
    with pytest.raises(EvalError, match="nan"):
        matcher.match(np.full((1, 3), np.nan))


def test_real_drawings_match_their_own_artist_and_strangers_are_not_sure(
    artist_features: Callable[[str], dict[str, np.ndarray]],
) -> None:
    gallery = artist_features("random")
    space = Space("random", "0" * 64, len(next(iter(gallery.values()))[0]))
    own, known, strangers = 0, [], []
    for artist, rows in gallery.items():
        rest = {name: other for name, other in gallery.items() if name != artist}
        matcher = StyleMatcher(StyleIndex.build(space, {**rest, artist: rows[4:]}))
        best = matcher.match(rows[:4])[0]
        own += best.style == artist
        known.append(best.probability)
        strangers.append(StyleMatcher(StyleIndex.build(space, rest)).match(rows[:4])[0].probability)
    assert own >= 8
    assert np.mean(known) > np.mean(strangers) + 0.05
    assert max(strangers) < 0.9

"""The rates of odd ones and two hands, measured on real artists; thresholds a little under what was found."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from fewshot.data.duplicates import find_twins, fingerprint
from fewshot.data.hand import describe
from fewshot.data.hands import Array, as_array, odd_ones, two_hands
from fewshot.data.pictures import content_hash, list_pictures, open_picture


@pytest.fixture(scope="module")
def hands(artists: dict[str, Path]) -> dict[str, Array]:
    return {
        name: as_array([describe(open_picture(path)) for path in list_pictures(folder)])
        for name, folder in artists.items()
    }


def test_single_artists_raise_no_alarm(hands: dict[str, Array]) -> None:
    assert [name for name, values in hands.items() if two_hands(values).flagged] == []
    odd = {name: len(odd_ones(values)) for name, values in hands.items()}
    assert max(odd.values()) <= 3
    assert sum(odd.values()) <= 8


def test_mixed_artists_are_flagged(hands: dict[str, Array]) -> None:
    chance = np.random.default_rng(0)
    flagged, right = [], []
    for one, other in itertools.combinations(hands, 2):
        parts = [hands[n][chance.permutation(len(hands[n]))[: chance.integers(8, 16)]] for n in (one, other)]
        found = two_hands(np.concatenate(parts))
        flagged.append(found.flagged)
        if found.flagged:
            second = np.isin(np.arange(len(parts[0]) + len(parts[1])), found.second)
            truth = np.arange(len(second)) < len(parts[0])
            right.append(max(np.mean(second == truth), np.mean(second != truth)))
    assert np.mean(flagged) >= 0.88
    assert np.mean(right) >= 0.97


def test_one_foreign_drawing_is_named(hands: dict[str, Array]) -> None:
    chance = np.random.default_rng(1)
    named, wrong = [], []
    for one, other in itertools.permutations(hands, 2):
        own = hands[one][chance.permutation(len(hands[one]))[:20]]
        found = [
            odd.index
            for odd in odd_ones(np.concatenate([own, hands[other][[chance.integers(len(hands[other]))]]]))
        ]
        named.append(len(own) in found)
        wrong.append(len(set(found) - {len(own)}))
    assert np.mean(named) >= 0.82
    assert np.mean(wrong) <= 0.5


def test_only_expression_variants_pass_for_copies(artists: dict[str, Path]) -> None:
    repeated = {}
    for name, folder in artists.items():
        images = [open_picture(path) for path in list_pictures(folder)]
        repeated[name] = len(find_twins([fingerprint(image, content_hash(image)) for image in images]))
    # `afensorm` draws one figure with several expressions, some of which differ by the eyelids alone.
    assert repeated.pop("afensorm", 0) <= 20
    assert not any(repeated.values())


def test_alike_drawings_have_neither(hands: dict[str, Array]) -> None:
    same = np.repeat(next(iter(hands.values()))[:1], 12, axis=0)
    assert odd_ones(same) == []
    assert not two_hands(same).flagged

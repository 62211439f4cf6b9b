"""How often the intervals of KID hold the truth: a small fixed share of `python -m eval.calibration`.

The populations' KID is known in closed form. `make soak COUNT=1000` repeats the large rows with other seeds.
"""

from __future__ import annotations

import math
import os

import numpy as np
import pytest

from eval import calibration
from eval.calibration import POPULATIONS, SHIFTS, draw, kid_coverage, moved, pair_coverage, true_kid
from eval.distances import kid


@pytest.mark.parametrize("kind", POPULATIONS)
def test_closed_form_is_the_mean_of_kid(kind: str) -> None:
    """KID is unbiased, so its mean over many draws must be the closed form: 500 draws."""
    rng, p = np.random.default_rng(0), POPULATIONS[kind](6)
    q = moved(p, 0.5, 1.1)
    values = np.array([kid(draw(p, 60, rng), draw(q, 50, rng)) for _ in range(500)])
    assert abs(values.mean() - true_kid(p, q)) < 4 * values.std() / math.sqrt(len(values))
    assert true_kid(p, p) == pytest.approx(0, abs=1e-12)
    assert len(draw(p, 37, rng)) == 37


@pytest.mark.parametrize("shift", ["equal", "different", "far"])
@pytest.mark.parametrize(("kind", "dim", "n", "m"), [("normal", 16, 30, 30), ("decaying", 500, 30, 100)])
def test_kid_lies_inside_92_to_98_times_in_100(kind: str, dim: int, n: int, m: int, shift: str) -> None:
    """1,000 draws, so that the share itself is known to 0.7 in 100."""
    found = kid_coverage(kind, shift, dim, (n, m), draws=1000, seed=0)
    assert 0.92 <= found.inside <= 0.98
    # Misses on both sides, not an interval in the wrong place.
    assert max(found.below, found.above) < 0.06


@pytest.mark.parametrize("shift", ["equal", "different"])
def test_kid_of_100_pictures_lies_inside_92_to_98_times_in_100(shift: str) -> None:
    assert 0.92 <= kid_coverage("skewed", shift, 64, (100, 100), draws=1000, seed=0).inside <= 0.98


@pytest.mark.parametrize("pair", ["same again", "nearer"])
def test_difference_and_ratio_are_held_at_least_as_often(pair: str) -> None:
    difference, ratio = pair_coverage("normal", pair, 16, (30, 30), draws=1000, seed=0)
    assert 0.92 <= difference.inside <= 0.99
    assert ratio is not None
    assert 0.92 <= ratio.inside <= 0.99


@pytest.mark.soak
@pytest.mark.parametrize("n", [30, 100, 500])
@pytest.mark.parametrize("shift", SHIFTS)
def test_coverage_with_other_seeds(shift: str, n: int) -> None:
    """Within 92 to 98 in 100 and three standard errors of so many draws."""
    draws, seed = int(os.environ.get("SOAK_COUNT", "40")), int(os.environ.get("SOAK_SEED", "0"))
    for kind in ("normal", "skewed"):
        found = kid_coverage(kind, shift, 64, (n, n), draws, seed)
        assert found.inside >= 0.92 - 3 * math.sqrt(0.92 * 0.08 / draws), kind
        assert found.inside <= 0.98 + 3 * math.sqrt(0.98 * 0.02 / draws), kind


@pytest.mark.soak
@pytest.mark.parametrize("pair", calibration.PAIRS)
def test_coverage_of_pairs_with_other_seeds(pair: str) -> None:
    draws, seed = int(os.environ.get("SOAK_COUNT", "40")), int(os.environ.get("SOAK_SEED", "0"))
    for found in pair_coverage("decaying", pair, 64, (30, 60), draws, seed):
        assert found is None or found.inside >= 0.92 - 3 * math.sqrt(0.92 * 0.08 / draws)

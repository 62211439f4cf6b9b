"""Steadiness where it can be told, and that it is not told where it cannot."""

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.temporal import carry, drift, warping_error

Frame = NDArray[np.uint8]


def scene(count: int = 4, side: int = 64) -> list[Frame]:
    """A textured picture that moves to the right by two pixels a frame."""
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(0, 256, (side // 4, side, 3), np.uint8), np.ones((4, 4, 1), np.uint8))
    return [wide[:, 60 - 2 * i : 60 - 2 * i + side] for i in range(count)]


def test_what_moves_with_the_picture_is_steady_and_what_flickers_is_not() -> None:
    frames = scene()
    steady = warping_error(frames, [255 - frame for frame in frames])
    flicker = warping_error(frames, [frame // 2 + 60 * (i % 2) for i, frame in enumerate(frames)])
    assert steady.frames == 3
    assert steady.consistent > 0.5
    assert steady.warping_error < 0.3 * flicker.warping_error
    assert drift(frames, frames) == 0


def test_where_no_pixel_can_be_followed_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than that it is perfectly steady."""
    nowhere = np.zeros((64, 64), np.bool_)
    monkeypatch.setattr("eval.temporal.carry", lambda *frames: (carry(*frames)[0], nowhere))
    found = warping_error(scene(), scene())
    assert np.isnan(found.warping_error)
    assert found.consistent == 0


@pytest.mark.parametrize(("side", "words"), [(8, "optical flow"), (64, "one size")])
def test_frames_that_cannot_be_compared_are_named(side: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        warping_error(scene(side=side), scene(side=side if side == 8 else 32))

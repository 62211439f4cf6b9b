"""Light on faces: mended where it is unusual, left alone where it is not."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from fewshot.inference.framing import frame
from fewshot.inference.light import INNER, LIGHTNESS, REDNESS, YELLOWNESS, Light, face_light

Pixels = NDArray[np.uint8]


def selfie() -> Pixels:
    return np.asarray(frame(Image.fromarray(data.astronaut())).image.resize((128, 128)))


def lit(picture: Pixels, gains: tuple[float, float, float]) -> Pixels:
    linear = (picture / 255) ** 2.2 * gains
    return np.asarray(np.rint(255 * np.clip(linear, 0, 1) ** (1 / 2.2)), np.uint8)


def inner_lab(picture: Pixels) -> NDArray[np.float64]:
    side = len(picture)
    left, right, top, bottom = (round(edge * side) for edge in INNER)
    lab = cv2.cvtColor(picture[top:bottom, left:right].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab.reshape(-1, 3).mean(0), np.float64)


def test_usual_light_is_left_alone() -> None:
    picture = selfie()
    light = face_light(picture)
    assert light == Light()
    assert light.mend(picture) is picture


@pytest.mark.parametrize("gains", [(0.5, 1.6, 0.6), (0.45, 0.8, 1.8), (1.5, 0.5, 1.5), (0.05, 0.05, 0.05)])
def test_a_lamp_is_undone(gains: tuple[float, float, float]) -> None:
    picture = selfie()
    dyed = lit(picture, gains)
    mended = face_light(dyed).mend(dyed)
    before, after = (np.abs(inner_lab(x) - inner_lab(picture)).max() for x in (dyed, mended))
    assert after < 0.75 * before
    for value, (low, high) in zip(inner_lab(mended), (LIGHTNESS, REDNESS, YELLOWNESS), strict=True):
        assert low - 4 < value < high + 4


@pytest.mark.parametrize("gain", [0.35, 0.5, 1.3])
def test_dark_and_light_skin_stays_what_it_is(gain: float) -> None:
    """A grey gain is what distinguishes skins too; within the usual nothing is changed."""
    picture = lit(selfie(), (gain, gain, gain))
    assert LIGHTNESS[0] < inner_lab(picture)[0] < LIGHTNESS[1]
    assert face_light(picture).power == 1


@given(st.tuples(*[st.floats(0.0, 3.0)] * 3), st.integers(0, 2**32 - 1))
def test_whatever_the_picture_the_result_is_one(gains: tuple[float, float, float], seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
    picture = lit(noise, gains)
    mended = face_light(picture).mend(picture)
    assert mended.shape == picture.shape
    assert mended.dtype == np.uint8
    light = face_light(picture)
    assert all(0.2 < gain < 5 for gain in light.gains)
    assert 0.3 < light.power < 1.6
    # Black stays black, and nothing that was darker in every channel becomes lighter.
    order = picture.astype(int)
    darker = (order[0, 0] <= order[0, 1]).all()
    if darker:
        assert (mended[0, 0].astype(int) <= mended[0, 1].astype(int) + 2).all()


def test_video_light_moves_slowly() -> None:
    lamp = Light((0.5, 1.0, 2.0), 0.8)
    light = Light()
    for _ in range(3):
        light = light.towards(lamp, 0.05)
    assert 0.9 < light.gains[0] < 1
    assert 1 < light.gains[2] < 1.15
    for _ in range(300):
        light = light.towards(lamp, 0.05)
    assert light.gains == pytest.approx(lamp.gains, rel=1e-4)
    assert Light().towards(Light(), 0.3) == Light()

"""The difficulties made by code do what they say, and the list names held-out photos."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewshot.data.packs import is_held_out
from fewshot.evaluation.hard_cases import HELD_OUT, HELD_OUT_SOURCE, MADE
from fewshot.evaluation.sources import gather
from fewshot.samples import sample_folder

SIDE = 64
RANDOM = tuple(name for name in MADE if name not in ("grey", "low_resolution"))


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return gather(sample_folder("flat"), SIDE).pixels[:12]


def flat(level: int, n: int = 8) -> np.ndarray:
    return np.full((n, 3, SIDE, SIDE), level, np.uint8)


def detail(pictures: np.ndarray) -> float:
    steps = (np.abs(np.diff(pictures.astype(float), axis=axis)).mean() for axis in (2, 3))
    return float(sum(steps))


def hue_beyond_lightness(picture: np.ndarray) -> float:
    """What of a picture's colour its lightness does not tell: near zero for grey and for a single tint."""
    red, green, blue = picture.astype(float).reshape(3, -1)
    light = (red + green + blue) / 3
    powers = np.stack([light**power for power in range(4)], 1)
    colour = np.stack([red - light, blue - light], 1)
    return float((colour - powers @ np.linalg.lstsq(powers, colour, rcond=None)[0]).std())


@pytest.mark.parametrize("name", MADE)
def test_every_change_is_pure_seeded_and_of_one_picture_alone(name: str, pictures: np.ndarray) -> None:
    before = pictures.copy()
    changed = MADE[name](pictures, 7)
    assert (pictures == before).all()
    assert changed.shape == pictures.shape
    assert changed.dtype == np.uint8
    assert all((a != b).any() for a, b in zip(changed, pictures, strict=True))
    assert (MADE[name](pictures, 7) == changed).all()
    assert (MADE[name](pictures[:3], 7) == changed[:3]).all()
    assert ((MADE[name](pictures, 8) != changed).any()) == (name in RANDOM)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("side", [32, 200])
def test_every_change_works_at_any_size(name: str, side: int) -> None:
    assert MADE[name](np.full((2, 3, side, side), 90, np.uint8), 0).shape == (2, 3, side, side)


def test_grey_is_the_usual_luma(pictures: np.ndarray) -> None:
    grey = MADE["grey"](pictures, 0)
    assert (grey[:, :1] == grey).all()
    luma = np.asarray(Image.fromarray(pictures[0].transpose(1, 2, 0)).convert("L"), int)
    assert np.abs(grey[0, 0] - luma).max() <= 1


def test_an_occluder_hides_the_lower_face_and_nothing_else() -> None:
    changed = (MADE["occluder"](flat(120, 40), 0) != 120).any(1)
    share = changed.mean((1, 2))
    assert share.min() > 0.08
    assert share.max() < 0.4
    mouth = changed[:, int(0.6 * SIDE) : int(0.68 * SIDE), SIDE // 4 : 3 * SIDE // 4]
    assert mouth.mean((1, 2)).min() > 0.4
    assert not changed[:, : SIDE // 4].any()


def test_occluders_differ_in_kind_and_colour() -> None:
    changed = MADE["occluder"](flat(120, 40), 0)
    middles = {tuple(picture[:, int(0.64 * SIDE), int(0.4 * SIDE)]) for picture in changed}
    assert len(middles) > 5


def test_side_light_leaves_one_half_in_the_dark_on_either_side() -> None:
    halves = MADE["side_light"](flat(150, 20), 0).mean(1)
    left, right = halves[:, :, : SIDE // 4].mean((1, 2)), halves[:, :, -SIDE // 4 :].mean((1, 2))
    assert (np.minimum(left, right) < 0.45 * np.maximum(left, right)).all()
    assert 3 < (left > right).sum() < 17


def test_back_light_darkens_the_middle_only() -> None:
    lit = MADE["back_light"](flat(150), 0).mean(1)
    middle = lit[:, 3 * SIDE // 8 : 5 * SIDE // 8, 3 * SIDE // 8 : 5 * SIDE // 8]
    assert (middle < 110).all()
    assert (lit[:, :4, :4] > 200).all()


def test_a_colour_cast_is_strong_and_of_all_hues() -> None:
    means = MADE["colour_cast"](flat(128, 40), 0).mean((2, 3))
    assert (means.max(1) > 1.5 * means.min(1)).all()
    assert set(means.argmax(1)) == {0, 1, 2}


@pytest.mark.parametrize("name", ["low_resolution", "blur"])
def test_detail_is_lost_and_the_colours_stay(name: str, pictures: np.ndarray) -> None:
    changed = MADE[name](pictures, 0)
    assert detail(changed) < 0.75 * detail(pictures)
    assert np.abs(changed.mean((2, 3)) - pictures.mean((2, 3))).max() < 3


def test_roll_is_twenty_degrees_to_either_side() -> None:
    bar = flat(0, 20)
    bar[:, :, SIDE // 2 - 2 : SIDE // 2 + 2] = 255
    turned = MADE["roll"](bar, 0)[:, 0]
    column = 3 * SIDE // 4
    heights = (turned[:, :, column] * np.arange(SIDE)).sum(1) / turned[:, :, column].sum(1) - (SIDE - 1) / 2
    slopes = np.degrees(np.arctan2(heights, column - (SIDE - 1) / 2))
    assert np.abs(slopes) == pytest.approx(20, abs=1.5)
    assert 3 < (slopes > 0).sum() < 17


def test_the_list_names_held_out_photos_once_and_in_order() -> None:
    for numbers in HELD_OUT.values():
        assert list(numbers) == sorted(set(numbers))
        assert len(numbers) >= 10
        assert all(is_held_out(HELD_OUT_SOURCE, f"{number:05d}.webp") for number in numbers)


def test_listed_photos_are_grey_and_dark_where_the_list_says_so(shared: Path) -> None:
    photos = gather(shared / "data" / f"{HELD_OUT_SOURCE}.tar", SIDE, indices="3300-3399")
    numbers = np.array([int(name) for name in photos.names])
    hues = np.array([hue_beyond_lightness(picture) for picture in photos.pixels])
    grey = np.isin(numbers, HELD_OUT["near_grey"])
    assert hues[grey].max() < np.quantile(hues[~grey], 0.05)
    middle = photos.pixels[:, :, SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4].mean((1, 2, 3))
    dark = np.isin(numbers, HELD_OUT["dark"])
    assert np.median(middle[dark]) < 0.75 * np.median(middle[~dark])

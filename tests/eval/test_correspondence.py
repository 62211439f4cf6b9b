"""Agreement of parts on painted faces whose colours and places are known, and its control by shuffling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import spearmanr
from skimage.color import rgb2lab

from eval.colour_regions import region_colours, region_masks
from eval.correspondence import Landmarks, Parts, cycle_agreement, find_landmarks, part_agreement
from eval.errors import EvalError
from eval.pairs import Agreement, compare_pairs, derangement, mean_distance, rank_correlation

World = Callable[..., tuple[np.ndarray, np.ndarray]]

SIDE = 96
N = 40
FACE = np.array([(36, 44), (60, 44), (48, 56), (40, 68), (56, 68)], np.float64)


def paint(hair: np.ndarray, skin: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """A face (3, S, S): hair all around, a face of skin, and landmarks that `markers` finds again."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    points = np.round(FACE + shift).astype(int)
    x, y = points[:2].mean(0)
    picture = np.empty((SIDE, SIDE, 3), np.uint8)
    picture[:] = hair
    picture[((columns - x) / 24) ** 2 + ((rows - y) / 30) ** 2 < 1] = skin
    picture[(abs(columns - x) < 22) & (rows >= y) & (rows < y + 40)] = skin
    for number, (column, row) in enumerate(points):
        picture[row, column] = (1, 2, 200 + number)
    return picture.transpose(2, 0, 1)


def markers(picture: np.ndarray) -> np.ndarray | None:
    """The detector of painted faces."""
    found = [np.argwhere((picture == (1, 2, 200 + number)).all(2)) for number in range(5)]
    if not all(len(places) == 1 for places in found):
        return None
    return np.array([places[0][::-1] for places in found], np.float64)


def ask(photos: np.ndarray, drawings: np.ndarray, detector: Landmarks = markers) -> Parts:
    return part_agreement(photos, drawings, detector, n_boot=300)


@pytest.fixture(scope="module")
def world() -> World:
    """Photos and drawings of N faces; keywords exchange the part of each drawing for the next one's."""
    rng = np.random.default_rng(3)
    hair, skin = rng.integers(20, 220, (N, 3)), rng.integers(60, 240, (N, 3))
    shift = rng.integers(-8, 9, (N, 2))

    def of(*, hair_off: int = 0, skin_off: int = 0, place_off: int = 0) -> tuple[np.ndarray, np.ndarray]:
        photos = [paint(hair[i], skin[i], shift[i]) for i in range(N)]
        # A drawing is paler, as a domain may be, which no score may mind.
        pale = (255 + np.roll(hair, hair_off, 0)) // 2, (255 + np.roll(skin, skin_off, 0)) // 2
        places = np.roll(shift, place_off, 0)
        drawings = [paint(pale[0][i], pale[1][i], places[i] + rng.integers(-1, 2, 2)) for i in range(N)]
        return np.stack(photos), np.stack(drawings)

    return of


def named(parts: Parts) -> dict[str, Agreement]:
    return {agreement.name: agreement for agreement in parts.agreements}


def test_a_derangement_leaves_nothing_in_place() -> None:
    rng = np.random.default_rng(0)
    for n in range(2, 30):
        order = derangement(n, rng)
        assert sorted(order) == list(range(n))
        assert (order != np.arange(n)).all()
    seen = {tuple(derangement(3, rng)) for _ in range(50)}
    assert seen == {(1, 2, 0), (2, 0, 1)}
    with pytest.raises(EvalError, match="two or more"):
        derangement(1, rng)


@pytest.mark.parametrize("levels", [1000, 4], ids=["distinct", "tied"])
def test_rank_correlation_is_spearmans_with_pairs_repeated(levels: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(levels, size=30).astype(float)
    y = x + rng.integers(levels, size=30)
    counts = np.vstack([np.ones(30), rng.multinomial(30, np.full(30, 1 / 30), size=5)])
    for row, value in zip(counts, rank_correlation(counts, x, y), strict=True):
        repeat = row.astype(int)
        assert value == pytest.approx(spearmanr(np.repeat(x, repeat), np.repeat(y, repeat)).statistic)


def test_a_side_without_differences_has_no_correlation() -> None:
    flat = compare_pairs(
        "x", rank_correlation, np.zeros(9), np.arange(9.0), higher_is_better=True, extractor=""
    )
    assert np.isnan([flat.real.value, flat.shuffled.value]).all()
    assert "constant" in flat.real.notes[0]
    assert not flat.clear


def test_the_control_tells_pairs_from_strangers() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 2))
    near, strange = x + 0.3 * rng.normal(size=x.shape), rng.normal(size=x.shape)

    def score(y: np.ndarray, seed: int = 0) -> Agreement:
        return compare_pairs("d", mean_distance, x, y, higher_is_better=False, extractor="", seed=seed)

    assert score(near).clear
    assert score(near).real.value == pytest.approx(np.linalg.norm(x - near, axis=1).mean())
    every = np.linalg.norm(x[:, None] - near[None], axis=2)
    assert score(near).shuffled.value == pytest.approx(every[~np.eye(60, dtype=bool)].mean(), rel=0.05)
    assert not score(strange).clear
    assert score(near) == score(near)
    assert score(near) != score(near, seed=1)
    with pytest.raises(EvalError, match="no pairs"):
        compare_pairs("d", mean_distance, x, x[1:], higher_is_better=False, extractor="")


def test_shuffled_intervals_hold_the_mean_over_all_strangers() -> None:
    held = 0
    for seed in range(40):
        x = np.random.default_rng(seed).normal(size=(30, 1))
        found = compare_pairs(
            "d", mean_distance, x, x + 0.1, higher_is_better=False, extractor="", n_boot=400, seed=seed
        )
        # Two independent standard normals, the second moved by 0.1: 2 / sqrt(pi), to 0.3 %.
        held += found.shuffled.low <= 1.131 <= found.shuffled.high
    assert held >= 33


def test_regions_have_the_colours_they_were_painted_in() -> None:
    hair, skin = np.array([150, 40, 90]), np.array([240, 200, 170])
    picture = paint(hair, skin, np.zeros(2))[None]
    found = region_colours(picture, find_landmarks(picture, markers))
    for region, colour in zip(found, (hair, skin), strict=True):
        assert region[0] == pytest.approx(rgb2lab(colour[None, None] / 255)[0, 0], abs=0.2)


def test_regions_turn_with_the_face_and_stay_in_a_mirror() -> None:
    upright = region_masks(FACE, SIDE)
    turned = np.stack([FACE[:, 1], SIDE - 1 - FACE[:, 0]], 1)
    mirrored = np.stack([SIDE - 1 - FACE[:, 0], FACE[:, 1]], 1)
    for plain, quarter, mirror in zip(
        upright, region_masks(turned, SIDE), region_masks(mirrored, SIDE), strict=True
    ):
        assert plain.sum() > 100
        assert (np.rot90(plain) == quarter).mean() > 0.995
        assert (plain[:, ::-1] == mirror).mean() > 0.995
    assert not (upright[0] & upright[1]).any()


def test_a_region_outside_the_frame_has_no_colour() -> None:
    picture = paint(np.array([9, 9, 9]), np.array([200, 200, 200]), np.zeros(2))[None]
    above = FACE - (0, 44)
    hair, cheek = region_colours(picture, above[None])
    assert np.isnan(hair).all()
    assert np.isfinite(cheek).all()


def test_bad_landmarks_are_refused() -> None:
    with pytest.raises(EvalError, match="five landmarks"):
        region_masks(FACE[:4], SIDE)
    with pytest.raises(EvalError, match="both eyes"):
        region_masks(np.full((5, 2), 3.0), SIDE)
    with pytest.raises(EvalError, match="square pictures"):
        region_colours(np.zeros((1, 3, 8, 9), np.uint8), FACE[None])


def test_parts_that_correspond_are_clear_of_the_control(world: World) -> None:
    parts = ask(*world())
    found = named(parts)
    assert len(found) == 12
    assert all(agreement.clear for name, agreement in found.items() if "eye distance" not in name)
    assert found["hair L* correlation"].real.value > 0.95
    assert abs(found["hair L* correlation"].shuffled.value) < 0.15
    assert found["mouth centre off by (sides)"].real.value < 1.5 / SIDE
    assert all(agreement.real.n_x == N for agreement in parts.agreements)
    assert parts.found_on_drawings.value == 1


@pytest.mark.parametrize(
    ("exchanged", "lost", "kept"),
    [
        ({"hair_off": 1}, "hair", ("cheek", "eye midpoint", "mouth")),
        ({"skin_off": 1}, "cheek", ("hair L", "hair D", "eye midpoint", "mouth")),
        ({"place_off": 1}, "mouth", ("hair", "cheek")),
    ],
    ids=["hair", "skin", "place"],
)
def test_only_the_part_that_was_exchanged_loses_its_agreement(
    world: World, exchanged: dict[str, int], lost: str, kept: tuple[str, ...]
) -> None:
    found = named(ask(*world(**exchanged)))
    # The difference of both parts keeps half of its agreement.
    del found["hair minus cheek L* correlation"]
    assert not any(agreement.clear for name, agreement in found.items() if name.startswith(lost))
    assert all(agreement.clear for name, agreement in found.items() if name.startswith(kept))


def test_a_drawing_without_a_face_is_read_where_its_photo_has_one(
    world: World,
) -> None:
    photos, drawings = (side.copy() for side in world())
    blind = (drawings[:10] == np.array([1, 2, 200])[:, None, None]).all(1)
    drawings[:10] = np.where(blind[:, None], 90, drawings[:10])
    parts = ask(photos, drawings)
    found = named(parts)
    assert parts.found_on_drawings.value == pytest.approx(0.75)
    assert found["hair L* correlation"].real.n_x == N
    assert found["hair L* correlation"].real.value > 0.95
    assert found["mouth centre off by (sides)"].real.n_x == N - 10


def test_grey_photos_have_lightness_and_no_hue(world: World) -> None:
    photos, drawings = world()
    grey = photos.mean(1, keepdims=True).astype(np.uint8).repeat(3, axis=1)
    blank = np.zeros_like(grey)

    def beside(picture: np.ndarray) -> np.ndarray | None:
        return FACE

    found = named(ask(grey, drawings, beside))
    assert np.isfinite(found["hair L* correlation"].real.value)
    assert np.isnan(found["hair a* correlation"].real.value)
    assert np.isnan(named(ask(blank, drawings, beside))["cheek L* correlation"].real.value)


def test_few_pairs_are_not_compared(world: World) -> None:
    photos, drawings = world()
    assert ask(photos[:4], drawings[:4]).agreements == ()
    with pytest.raises(EvalError, match="one square drawing"):
        ask(photos, drawings[:, :, 1:])


def test_the_way_back_is_nearer_to_its_own_photo(world: World) -> None:
    photos, drawings = world()
    back = ((photos.astype(int) + drawings) // 2).astype(np.uint8)
    found = cycle_agreement(photos, back)
    assert found.clear
    assert found.real.value == pytest.approx(np.abs(photos / 255 - back / 255).mean(), rel=1e-5)
    assert cycle_agreement(photos, photos).real.value == 0
    assert not cycle_agreement(photos, np.roll(back, 1, 0)).clear
    with pytest.raises(EvalError, match="one reconstruction"):
        cycle_agreement(photos, back[1:])

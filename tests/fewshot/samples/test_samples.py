"""The shipped drawings: complete, readable, reproducible, and four hands that differ."""

import io
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from eval.face_parsing import PARTS
from fewshot.data.pictures import list_pictures
from fewshot.errors import NotFoundError
from fewshot.samples import SNAPSHOT, sample_folder, sample_hands, snapshot, snapshot_folder
from fewshot.samples.draw import QUALITY, draw_one
from fewshot.samples.face import FacePlan
from fewshot.samples.hands.flat import CLOTH, SKIN
from fewshot.samples.labels import draw_labelled, label
from fewshot.samples.raster import rgb
from fewshot.samples.sketch import lay_out

PER_HAND = 24
# Mean difference in grey levels; another OpenCV build may round a few pixels otherwise before lossy coding.
TOLERANCE = 2.0


@cache
def shipped(hand: str) -> NDArray[np.uint8]:
    """(n, 256, 256, 3) decoded pictures of one hand."""
    paths = sorted(sample_folder(hand).glob("*.webp"))
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


def described(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n, 8) means and spreads of colour, and edge strength, saturation."""
    x = pictures.astype(np.float64) / 255
    grey = x.mean(-1)
    edges = np.abs(np.diff(grey, axis=1)).mean((1, 2))
    saturation = (x.max(-1) - x.min(-1)).mean((1, 2))
    return np.column_stack([x.mean((1, 2)), x.std((1, 2)), edges, saturation])


def coded(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A picture as it comes out of the file that the script writes."""
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "WEBP", quality=QUALITY, method=6)
    return np.asarray(Image.open(packed).convert("RGB")).astype(float)


@pytest.mark.parametrize("hand", sample_hands())
def test_each_hand_ships_square_pictures_numbered_from_zero(hand: str) -> None:
    names = [path.name for path in sorted(sample_folder(hand).glob("*.webp"))]
    assert names == [f"{k:03d}.webp" for k in range(PER_HAND)]
    assert shipped(hand).shape == (PER_HAND, 256, 256, 3)


def test_there_are_four_hands_in_a_small_package() -> None:
    assert len(set(sample_hands())) == 4
    size = sum(path.stat().st_size for hand in sample_hands() for path in sample_folder(hand).glob("*"))
    assert size < 2.5e6


def test_an_unknown_hand_is_named_with_the_choices() -> None:
    with pytest.raises(NotFoundError, match=r"'oil'.*ink, flat"):
        sample_folder("oil")


@pytest.mark.parametrize("hand", sample_hands())
@pytest.mark.parametrize("index", [0, 11, 23])
def test_the_script_draws_the_shipped_picture(hand: str, index: int) -> None:
    again = coded(draw_one(hand, index))
    assert np.abs(again - shipped(hand)[index]).mean() < TOLERANCE
    others = np.delete(shipped(hand), index, axis=0).astype(float)
    assert np.abs(others - again).mean((1, 2, 3)).min() > 5 * TOLERANCE


def test_the_command_writes_count_pictures_of_the_asked_size(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "fewshot.samples.draw",
        "--out",
        str(tmp_path),
        "--count",
        "2",
        "--size",
        "64",
    ]
    done = subprocess.run([*command, "--seed", "5"], capture_output=True, text=True, check=True)
    paths = sorted(tmp_path.rglob("*.webp"))
    assert len(paths) == 2 * len(sample_hands()) == len(done.stdout.split())
    assert {Image.open(path).size for path in paths} == {(64, 64)}


def test_colour_and_edges_tell_the_hands_apart() -> None:
    features = np.concatenate([described(shipped(hand)) for hand in sample_hands()])
    labels = np.repeat(np.arange(len(sample_hands())), PER_HAND)
    features = (features - features.mean(0)) / features.std(0)
    right = 0
    for k, hand in enumerate(labels):
        rest = np.arange(len(labels)) != k
        centres = np.stack([features[rest & (labels == c)].mean(0) for c in range(len(sample_hands()))])
        right += int(np.linalg.norm(centres - features[k], axis=1).argmin() == hand)
    assert right / len(labels) >= 0.9


@pytest.mark.parametrize("hand", sample_hands())
def test_no_two_pictures_of_a_hand_are_nearly_the_same(hand: str) -> None:
    small = np.stack([np.asarray(Image.fromarray(p).resize((32, 32))) for p in shipped(hand)]).astype(float)
    flat = small.reshape(PER_HAND, -1)
    apart = np.abs(flat[:, None] - flat[None]).mean(-1)
    assert apart[~np.eye(PER_HAND, dtype=bool)].min() > 8


def test_snapshots_are_photos_of_other_people_and_hold_no_outline() -> None:
    paths = list_pictures(snapshot_folder())
    photos = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    assert len(photos) >= 96
    assert photos.shape[1:] == (192, 192, 3)
    small = np.stack([np.asarray(Image.fromarray(p).resize((32, 32))) for p in photos]).astype(float)
    flat = small.reshape(len(small), -1)
    apart = np.abs(flat[:, None] - flat[None]).mean(-1)
    assert apart[~np.eye(len(flat), dtype=bool)].min() > 8
    # Light differs from one to the next as it does between photos.
    light = photos.mean((1, 2, 3))
    assert light.min() < 70 < 150 < light.max()
    # That of selfies is 124.
    assert 114 < light.mean() < 134
    # A contour is the darkest thing for a few pixels around; drawings are full of such, photos are not.
    assert dark_lines(photos) < 0.5 * min(dark_lines(shipped(hand)) for hand in ("ink", "riso"))


def dark_lines(pictures: NDArray[np.uint8]) -> float:
    """Share of pixels that are much darker than what lies four pixels to both sides of them."""
    found = []
    for picture in pictures:
        light = cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA).mean(-1)
        closed = cv2.morphologyEx(light, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
        found.append((closed - light > 60).mean())
    return float(np.mean(found))


def test_the_script_draws_the_shipped_snapshot() -> None:
    again = coded(draw_one(SNAPSHOT, 5, size=192))
    there = np.asarray(Image.open(snapshot_folder() / "005.webp").convert("RGB")).astype(float)
    assert np.abs(again - there).mean() < TOLERANCE


def test_a_plan_follows_its_generator_alone() -> None:
    first, again, other = (FacePlan.random(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again != other


def test_labels_lie_where_the_parts_are_drawn() -> None:
    plan = FacePlan.random(np.random.default_rng(8))
    picture, labels = draw_labelled("flat", plan, (8,), 256, PARTS)
    assert picture.shape == (256, 256, 3)
    assert labels.shape == (256, 256)
    # This hand fills each part with a paper and a shade of it: most of a part has one of the two colours.
    for name, papers in (("skin", SKIN[plan.skin_tone]), ("clothes", CLOTH[plan.cloth_tone])):
        pixels = picture[labels == PARTS.index(name)].astype(int)
        known = np.array([rgb(paper) for paper in papers]) * 255
        near = np.abs(pixels[:, None] - known).max(-1).min(1) < 12
        assert len(pixels) > 500, name
        assert near.mean() > 0.6, name
    assert set(np.unique(labels)) <= set(range(len(PARTS)))


def test_a_labelled_snapshot_is_the_snapshot() -> None:
    plan = FacePlan.random(np.random.default_rng([1000, 5]))
    picture, labels = draw_labelled(SNAPSHOT, plan, (1000, 5, 0), 96, PARTS)
    assert np.array_equal(picture, draw_one(SNAPSHOT, 5, size=96))
    # The person who is labelled is the one who sits there.
    proportions = snapshot.proportions(np.random.default_rng((1000, 5, 0)))
    assert np.array_equal(labels, label(lay_out(snapshot.sitter(plan), proportions), 96, PARTS))


def test_sitters_have_dark_and_long_hair_more_often_and_lean() -> None:
    plans = [FacePlan.random(np.random.default_rng(seed)) for seed in range(300)]
    sitters = [snapshot.sitter(plan) for plan in plans]
    assert sitters == [snapshot.sitter(plan) for plan in plans]

    def share(of: list[FacePlan], holds: Callable[[FacePlan], bool]) -> float:
        return float(np.mean([holds(plan) for plan in of]))

    for holds in (lambda p: p.hair_back == "long", lambda p: p.hair_tone <= 1, lambda p: abs(p.tilt) > 9):
        assert share(sitters, holds) > share(plans, holds) + 0.1
    # Beards are not combed away.
    assert all(s.hair_back == p.hair_back for s, p in zip(sitters, plans, strict=True) if p.beard != "none")


def test_importing_the_package_stays_light() -> None:
    heavy = ("numpy", "cv2", "PIL", "torch")
    code = f"import sys, fewshot.samples; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

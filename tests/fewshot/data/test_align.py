"""Alignment: where points land, how wide invented borders get, and that real faces come to one place."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.data import astronaut

from fewshot.data.align import (
    EYES,
    EYES_TO_MOUTH,
    MAX_BORDERS,
    MAX_ROLL,
    SCALES,
    FacePlace,
    align,
    drawing_place,
    middle_place,
    photo_place,
    plausible,
    transform,
)
from fewshot.data.faces import DrawnFaceFinder, FaceFinder, FaceLandmarks, resize
from fewshot.data.packs import load_pack

PLACES = st.builds(
    FacePlace,
    st.floats(0.1, 0.9),
    st.floats(0.1, 0.9),
    st.floats(0.02, 0.6),
    st.floats(-80, 80),
)


def mouth(place: FacePlace) -> NDArray[np.float64]:
    angle = np.radians(place.roll)
    return np.array([place.x, place.y]) + place.eyes_to_mouth * np.array([-np.sin(angle), np.cos(angle)])


@given(PLACES)
def test_the_transform_is_a_limited_similarity(place: FacePlace) -> None:
    matrix = transform(place)
    turn = matrix[:, :2]
    scale = np.sqrt(np.linalg.det(turn))
    assert np.allclose(turn @ turn.T, scale**2 * np.eye(2))
    assert SCALES[0] - 1e-9 <= scale <= SCALES[1] + 1e-9
    assert abs(np.degrees(np.arctan2(turn[0, 1], turn[0, 0]))) <= MAX_ROLL + 1e-9
    left, top = turn @ (0.5, 0.5) + matrix[:, 2] - scale / 2
    assert left <= MAX_BORDERS["side"] + 1e-9
    assert left + scale >= 1 - MAX_BORDERS["side"] - 1e-9
    assert top <= MAX_BORDERS["top"] + 1e-9
    assert top + scale >= 1 - MAX_BORDERS["bottom"] - 1e-9


@given(st.floats(0.45, 0.55), st.floats(0.38, 0.42), st.floats(0.19, 0.21), st.floats(-MAX_ROLL, MAX_ROLL))
def test_a_face_with_room_around_it_reaches_the_target(x: float, y: float, long: float, roll: float) -> None:
    place = FacePlace(x, y, long, roll)
    matrix = transform(place)
    assert np.allclose(matrix[:, :2] @ (x, y) + matrix[:, 2], EYES)
    assert np.allclose(matrix[:, :2] @ mouth(place) + matrix[:, 2], (EYES[0], EYES[1] + EYES_TO_MOUTH))


@pytest.mark.parametrize("size", [96, 288])
@pytest.mark.parametrize("roll", [0.0, 18.0, -25.0])
def test_pixels_land_where_the_transform_says(size: int, roll: float) -> None:
    place = FacePlace(0.47, 0.40, 0.21, roll)
    rows, columns = np.mgrid[:256, :256] + 0.5
    matrix = transform(place)
    for x, y in ((place.x, place.y), mouth(place)):
        blob = 250 * np.exp(-((columns / 256 - x) ** 2 + (rows / 256 - y) ** 2) / (2 * 0.02**2))
        picture = np.repeat(blob[:, :, None], 3, axis=2).astype(np.uint8)
        weight = align(picture, place, size)[:, :, 0].astype(float)
        weight[weight < 20] = 0
        grid = (np.mgrid[:size, :size] + 0.5) / size
        middle = [(weight * grid[axis]).sum() / weight.sum() for axis in (1, 0)]
        assert np.abs(matrix[:, :2] @ (x, y) + matrix[:, 2] - middle).max() < 0.25 / size


def test_shrinking_does_not_alias() -> None:
    checks = np.repeat((np.indices((512, 512)).sum(axis=0) % 2 * 255)[:, :, None], 3, axis=2).astype(np.uint8)
    small = align(checks, FacePlace(*EYES, EYES_TO_MOUTH, 0.0), 96)
    assert np.abs(small.astype(int) - 127).max() <= 3


def test_an_untouched_place_leaves_the_picture_as_it_is() -> None:
    picture = np.ascontiguousarray(astronaut()[:256, 96:352])
    assert np.array_equal(align(picture, middle_place([]), 256), picture)


def test_the_border_is_mirrored() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[:, :30] = 200
    aligned = align(picture, FacePlace(0.3, EYES[1], EYES_TO_MOUTH, 0.0), 100)
    # The widest allowed strip on the left, a mirror of the bright part, then the part itself.
    shift = round(100 * MAX_BORDERS["side"])
    assert aligned[50, : 30 + shift - 2].min() > 190
    assert aligned[50, 30 + shift + 2 :].max() < 10


def test_half_faces_and_upside_down_ones_are_not_believed() -> None:
    good = FaceLandmarks((40, 50), (60, 50), (50, 60), (42, 72), (58, 72), 0.9)
    side = FaceLandmarks((48, 50), (52, 51), (44, 60), (47, 72), (50, 72), 0.9)
    assert plausible(good)
    assert plausible(side)
    for wrong in (
        FaceLandmarks((40, 72), (60, 72), (50, 60), (42, 50), (58, 50), 0.9),
        FaceLandmarks((20, 50), (80, 50), (50, 60), (42, 72), (58, 72), 0.9),
        FaceLandmarks((40, 50), (60, 50), (50, 40), (42, 72), (58, 72), 0.9),
        FaceLandmarks((40, 50), (60, 50), (50, 50), (40, 50), (60, 50), 0.9),
    ):
        assert not plausible(wrong)


def test_the_middle_place_is_level() -> None:
    places = [FacePlace(0.4, 0.3, 0.2, 20), FacePlace(0.5, 0.4, 0.3, 5), FacePlace(0.9, 0.45, 0.25, 9)]
    assert middle_place(places) == FacePlace(0.5, 0.4, 0.25, 0.0)


@pytest.fixture(scope="module")
def finder(shared: Path) -> FaceFinder:
    return FaceFinder(shared / "weights" / "face_detection_yunet.onnx")


@settings(deadline=None, max_examples=8)
@given(roll=st.floats(-20, 20), scale=st.floats(1.3, 1.7))
def test_a_turned_and_scaled_face_comes_back(finder: FaceFinder, roll: float, scale: float) -> None:
    picture = astronaut()
    around = (223.0, 120.0)
    matrix = cv2.getRotationMatrix2D(around, roll, scale)
    matrix[:, 2] += np.array([128, 100]) - around
    moved = cv2.warpAffine(picture, matrix, (256, 256), flags=cv2.INTER_AREA)
    place = photo_place(moved, finder)
    assert place is not None
    # Read off the picture by eye: eyes (205, 101) and (242, 103), mouth (223, 142).
    eyes = matrix[:, :2] @ (223.5, 102) + matrix[:, 2]
    assert np.abs(np.array([place.x, place.y]) - eyes / 256).max() < 0.035
    assert place.eyes_to_mouth == pytest.approx(40 * scale / 256, rel=0.12)
    assert place.roll == pytest.approx(3 - roll, abs=5)


def test_drawings_come_to_the_same_place_as_photos(shared: Path, finder: FaceFinder) -> None:
    """Measured with YuNet where it is sure; the drawings were placed mostly by the cascade."""
    drawn = DrawnFaceFinder(shared / "weights" / "lbpcascade_animeface.xml")
    drawings = load_pack(shared / "data" / "anime_256.tar", 256, limit=40).pixels.transpose(0, 2, 3, 1)
    photos = load_pack(shared / "data" / "photos_256.tar", 256, limit=30).pixels.transpose(0, 2, 3, 1)
    medians = []
    for pictures, locate in (
        (photos, lambda picture: photo_place(picture, finder)),
        (drawings, lambda picture: drawing_place(picture, drawn)),
    ):
        places = [locate(picture) for picture in pictures]
        assert sum(place is not None for place in places) >= 0.95 * len(pictures)
        aligned = [align(p, place, 256) for p, place in zip(pictures, places, strict=True) if place]
        found = [face for picture in aligned if (face := finder.landmarks(picture, threshold=0.7))]
        assert len(found) >= 10
        medians.append(np.median([(*f.eyes, f.mouth[1] - f.eyes[1]) for f in found], axis=0) / 256)
    wanted = (*EYES, EYES_TO_MOUTH)
    assert np.abs(medians[0] - wanted).max() < 0.03
    assert np.abs(medians[1] - wanted).max() < 0.03


@pytest.mark.parametrize("tilt", [16, -10])
def test_the_tilt_of_a_drawing_is_found(shared: Path, tilt: float) -> None:
    drawn = DrawnFaceFinder(shared / "weights" / "lbpcascade_animeface.xml")
    drawings = load_pack(shared / "data" / "anime_256.tar", 256, limit=16).pixels.transpose(0, 2, 3, 1)
    matrix = cv2.getRotationMatrix2D((128, 128), -tilt, 1)
    gaps = []
    for drawing in drawings:
        tilted = cv2.warpAffine(drawing, matrix, (256, 256), borderMode=cv2.BORDER_REFLECT_101)
        places = drawing_place(drawing, drawn), drawing_place(tilted, drawn)
        if places[0] and places[1]:
            gaps.append(places[1].roll - places[0].roll)
    assert len(gaps) >= 15
    assert abs(np.median(gaps) - tilt) < 4
    assert np.percentile(np.abs(np.array(gaps) - tilt), 80) < 9


def test_a_larger_picture_gives_the_same_cut() -> None:
    picture = np.ascontiguousarray(astronaut()[:256, 96:352])
    place = FacePlace(0.5, 0.42, 0.16, 12.0)
    one, other = align(picture, place, 128), align(resize(picture, 3), place, 128)
    assert np.abs(one.astype(int) - other).mean() < 4

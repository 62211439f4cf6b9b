"""Boxes that neither shake nor lag, and faces that keep their number."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fewshot.inference.detection import CascadeDetector, FaceBox
from fewshot.inference.tracking import HOLD, FaceTracker, OneEuro

RATE = 30.0


class Scripted:
    """A detector whose answers are given: boxes in the frame, whatever is shown of it."""

    def __init__(self) -> None:
        self.boxes: list[FaceBox] = []

    def faces(self, image: Image.Image) -> list[FaceBox]:
        return list(self.boxes) if image.size == (640, 480) else []


def frames(tracker: FaceTracker, detector: Scripted, boxes: list[list[FaceBox]]) -> list[list[FaceBox]]:
    tracked = []
    for number, found in enumerate(boxes):
        detector.boxes = found
        tracker._looked = -1e9
        tracked.append([t.box for t in tracker.update(Image.new("RGB", (640, 480)), number / RATE)])
    return tracked


def test_a_still_face_does_not_shake() -> None:
    rng = np.random.default_rng(0)
    detector = Scripted()
    noise = rng.normal(0, 2, (90, 3))
    noisy = [[FaceBox(100 + x, 100 + y, 120 + side)] for x, y, side in noise]
    tracked = frames(FaceTracker(detector), detector, noisy)
    shaking = [np.std([getattr(b[0], key) for b in noisy[30:]]) for key in ("left", "top", "side")]
    steadied = [np.std([getattr(b[0], key) for b in tracked[30:]]) for key in ("left", "top", "side")]
    assert max(steadied) < 0.5 * min(shaking)


@pytest.mark.parametrize("speed", [2.0, 6.0, 12.0])
def test_a_moving_face_is_not_lagged_behind(speed: float) -> None:
    """Pixels a frame; the box trails by a tenth of the face at most."""
    detector = Scripted()
    moving = [[FaceBox(20 + speed * n, 100.0, 120.0)] for n in range(40)]
    tracked = frames(FaceTracker(detector), detector, moving)
    lag = [there[0].left - here[0].left for here, there in zip(tracked[10:], moving[10:], strict=True)]
    assert max(lag) < 0.1 * 120


def test_a_head_does_not_rise_where_its_tilt_is_not_told() -> None:
    detector = Scripted()
    told = [20.0] * 20 + [0.0] + [20.0] * 20
    tracked = frames(FaceTracker(detector), detector, [[FaceBox(100, 100, 120.0, roll)] for roll in told])
    assert [box.roll for (box,) in tracked] == pytest.approx([20.0] * 41)


def test_faces_keep_their_numbers_through_a_short_occlusion_and_no_longer() -> None:
    detector = Scripted()
    tracker = FaceTracker(detector)
    left, right = FaceBox(50, 50, 100.0), FaceBox(400, 60, 90.0)
    detector.boxes = [left, right]
    numbers = {t.number: t.box.left for t in tracker.update(Image.new("RGB", (640, 480)), 0.0)}
    detector.boxes = [right]
    for step in range(1, int(HOLD * RATE)):
        tracks = tracker.update(Image.new("RGB", (640, 480)), step / RATE)
        assert {t.number for t in tracks} == set(numbers)
    detector.boxes = [left, right]
    tracks = tracker.update(Image.new("RGB", (640, 480)), HOLD + 0.01)
    assert {t.number for t in tracks} == set(numbers)
    detector.boxes = []
    assert not tracker.update(Image.new("RGB", (640, 480)), 3 * HOLD)


def test_a_real_face_is_followed_from_its_surroundings() -> None:
    photo = Image.fromarray(data.astronaut())
    tracker = FaceTracker(CascadeDetector())
    for step in range(6):
        moved = Image.new("RGB", (640, 512))
        moved.paste(photo, (8 * step, 0))
        (track,) = tracker.update(moved, step / RATE)
        (face,) = CascadeDetector().faces(moved)
        assert np.hypot(*np.subtract(track.box.centre, face.centre)) < 0.12 * face.side


def test_the_filter_starts_at_its_first_value_and_settles_at_a_constant() -> None:
    filter_ = OneEuro()
    assert filter_(5.0, 0.0) == 5.0
    for _ in range(200):
        value = filter_(7.0, 1 / RATE)
    assert value == pytest.approx(7.0, abs=1e-3)

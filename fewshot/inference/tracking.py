"""Faces from one frame of a video to the next: which is which, and boxes that neither shake nor lag."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

from fewshot.inference.detection import FaceBox, FaceDetector

HOLD = 0.5
"""Seconds that a face which is not found (a hand before it, a turned head) stays where it was."""
EVERYWHERE = 0.5
"""Seconds between looks at the whole frame; in between a face is looked for about its last place."""
MOST_TRACKS = 4
"""Faces that are followed, the largest ones."""

_AROUND = 1.1
"""Half side of the square that is searched about a known face, in sides of its box."""
_SEARCHED = 192
"""Side that this square is searched at, px."""
_SAME = 0.6
"""Farthest that a face moves between two looks, in sides of its box."""


class OneEuro:
    """The 1€ filter (Casiez, Roussel and Vogel, CHI 2012): a low-pass whose cutoff rises with speed.

    Args:
        rest: cutoff of a value at rest, Hz: below it nothing passes, so that a still face does not shake.
        speed: by how much the cutoff rises with the value's speed, so that a moving face does not lag.
    """

    def __init__(self, rest: float = 0.5, speed: float = 7.0) -> None:
        self.rest, self.speed = rest, speed
        self.value: float | None = None
        self.slope = 0.0

    def __call__(self, value: float, seconds: float) -> float:
        """The next value, `seconds` after the last one."""
        if self.value is None or seconds <= 0:
            self.value = value
            return value
        slope = (value - self.value) / seconds
        self.slope += _gain(1.0, seconds) * (slope - self.slope)
        self.value += _gain(self.rest + self.speed * abs(self.slope), seconds) * (value - self.value)
        return self.value


def _gain(cutoff: float, seconds: float) -> float:
    return 1.0 / (1.0 + 1.0 / (2 * math.pi * cutoff * seconds))


class Track:
    """One face over time."""

    def __init__(self, number: int, box: FaceBox, now: float) -> None:
        self.number = number
        self._filters = [OneEuro() for _ in range(4)]
        self.found, self.seen, self.box = box, now, box
        self._now = now
        self.follow(box, now)

    def follow(self, box: FaceBox, now: float) -> None:
        """Take a new place of the face."""
        # In sides of the face as it was, so that near and far faces are held equally still.
        seconds, unit = now - self._now, self.box.side
        self._now, self.seen, self.found = now, now, box
        x, y = box.centre
        # A detector that does not tell the roll this time has not seen the head rise.
        values = (x / unit, y / unit, math.log(box.side), (box.roll or self.box.roll) / 45)
        x, y, size, roll = (f(v, seconds) for f, v in zip(self._filters, values, strict=True))
        side = math.exp(size)
        self.box = FaceBox(x * unit - side / 2, y * unit - side / 2, side, 45 * roll)
        self._rescale(unit, side)

    def _rescale(self, old: float, new: float) -> None:
        for filter_ in self._filters[:2]:
            assert filter_.value is not None
            filter_.value *= old / new
            filter_.slope *= old / new


@dataclass
class FaceTracker:
    """Follows the faces of a video."""

    detector: FaceDetector
    """What finds them."""

    def __post_init__(self) -> None:
        self.tracks: list[Track] = []
        self._numbers = 0
        self._looked = -math.inf

    def update(self, image: Image.Image, now: float) -> list[Track]:
        """The faces of the frame at `now` seconds, the largest first."""
        if now - self._looked >= EVERYWHERE or not self.tracks:
            self._looked = now
            found = self.detector.faces(image)[:MOST_TRACKS]
        else:
            found = [
                min(near, key=lambda box, track=track: _distance(box, track.found))  # type: ignore[misc]
                for track in self.tracks
                if (near := self._about(image, track.found))
            ]
        for track in self.tracks:
            near = [box for box in found if _distance(box, track.found) < _SAME * track.found.side]
            if near:
                best = min(near, key=lambda box: _distance(box, track.found))
                found.remove(best)
                track.follow(best, now)
        self.tracks = [track for track in self.tracks if now - track.seen <= HOLD]
        for box in found:
            if all(_distance(box, track.found) >= _SAME * track.found.side for track in self.tracks):
                self._numbers += 1
                self.tracks.append(Track(self._numbers, box, now))
        self.tracks = sorted(self.tracks, key=lambda track: -track.box.side)[:MOST_TRACKS]
        return self.tracks

    def forget(self) -> None:
        """After a cut nothing is where it was."""
        self.tracks = []

    def _about(self, image: Image.Image, box: FaceBox) -> list[FaceBox]:
        x, y = box.centre
        half = _AROUND * box.side
        left, top = max(0, round(x - half)), max(0, round(y - half))
        right, bottom = min(image.width, round(x + half)), min(image.height, round(y + half))
        if right - left < 16 or bottom - top < 16:
            return []
        part = image.crop((left, top, right, bottom))
        scale = _SEARCHED / max(part.size)
        if scale < 1:
            part = part.resize((max(1, round(part.width * scale)), max(1, round(part.height * scale))))
        scale = min(1.0, scale)
        return [
            FaceBox(face.left / scale + left, face.top / scale + top, face.side / scale, face.roll)
            for face in self.detector.faces(part)
        ]


def _distance(one: FaceBox, other: FaceBox) -> float:
    return math.dist(one.centre, other.centre)

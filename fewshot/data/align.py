"""Bring faces to one place, size and angle: the same for photos and drawings, so that eyes lie over eyes.

The target is a square with level eyes, the point between the eyes at (0.50, 0.39) of the side and the mouth
0.25 of the side below it. It is reached by a similarity transform (turn, scale, shift), so proportions stay
as they are. The target lies between what the sources have (selfies: eyes at 0.35, mouth 0.29 below; TV-anime
faces: 0.41 and 0.20), nearer to the drawings.

A photo whose face fills it would need wide mirrored borders to get there: a second forehead over the
hair, which training learns to draw. So a border is limited, and such a face stays a little too large or
too high instead. A random crop out of a margin of 9/8 cuts most of the rest off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.data.faces import DrawnFace, DrawnFaceFinder, FaceFinder, FaceLandmarks, resize

EYES = (0.50, 0.39)
"""Where the point between the eyes goes, as shares of the side."""

EYES_TO_MOUTH = 0.25
"""Distance from there to the mouth, as a share of the side."""

SCALES = (1 / 1.1, 1.35)
"""Least and greatest enlargement against the uncut picture."""

MAX_BORDERS = {"top": 0.055, "bottom": 0.07, "side": 0.09}
"""Widest mirrored strip at each edge of an upright picture, as a share of the side; where a face would need
more, it is shifted."""

LOOKS = 3
"""At a photo, each at the picture levelled by the one before."""
MAX_ROLL = 30.0
"""Degrees; what is tilted further is turned by this much."""

_DRAWN_EYES = (0.5, 0.383)
"""Point between the eyes in the box of a drawn face, as shares of its side (medians of 800 drawings)."""

_DRAWN_EYES_TO_MOUTH = 0.28
"""Distance from there to the mouth, likewise."""

_VOTE_TURN = 20.0
"""Degrees that a drawing is turned to either side to find its tilt."""

_VOTE_SLOPE = 1.85
"""Tilt per mean turn, weighted by votes; measured on 80 drawings turned by 16° and by -10°."""


@dataclass(frozen=True)
class FacePlace:
    """What alignment needs to know about a face; lengths in shares of the picture's side."""

    x: float
    """Point between the eyes, from the left."""
    y: float
    """The same, from above."""
    eyes_to_mouth: float
    """Distance from there to the mouth."""
    roll: float
    """Degrees that the eye line sinks to the right."""


def photo_place(picture: NDArray[np.uint8], finder: FaceFinder) -> FacePlace | None:
    """The face of a square photo `(S, S, 3)`, or None where none is found.

    YuNet is drawn to upright faces: of a turn by 13° one look misses 3°, a second look at the levelled
    picture 0.9° (medians of 60 selfies at 256 px). Turned and unturned, the point between the eyes then
    differs by at most 1.4 % of the side in nine of ten. The third look is for the worst: of one face turned
    by up to 20° it leaves at most 5°, where two leave 7°.
    """
    face = finder.landmarks(picture)
    if face is None or not plausible(face):
        return None
    roll = 0.0
    for _ in range(LOOKS - 1):
        levelled = float(np.clip(roll + face.roll, -MAX_ROLL, MAX_ROLL))
        again = finder.landmarks(_turned(picture, levelled))
        if again is None or not plausible(again):
            break
        face, roll = again, levelled
    side = len(picture)
    x, y = _turned_back(face.eyes[0] / side, face.eyes[1] / side, roll)
    return FacePlace(x, y, face.eyes_to_mouth / side, roll + face.roll)


def drawing_place(picture: NDArray[np.uint8], drawn: DrawnFaceFinder) -> FacePlace | None:
    """The face of a square drawing `(S, S, 3)`, or None where none is found.

    The cascade knows upright faces only, so the tilt is read from how many of its windows vote when the
    picture is turned to either side. YuNet's landmarks were tried and dropped: of
    drawings turned by 16° they told 2° (median of TV anime; 9° of fan art), this tells 15° of both.
    """
    votes = {
        turn: face.votes
        for turn in (-_VOTE_TURN, 0.0, _VOTE_TURN)
        if (face := drawn.face(_turned(picture, turn)))
    }
    if not votes:
        return None
    mean = sum(turn * count for turn, count in votes.items()) / sum(votes.values())
    roll = float(np.clip(_VOTE_SLOPE * mean, -MAX_ROLL, MAX_ROLL))
    box = drawn.face(_turned(picture, roll))
    return None if box is None else _from_box(box, len(picture), roll)


def plausible(face: FaceLandmarks) -> bool:
    """Whether five points can be one face: mouth under the eyes, nose between, no half face.

    The distance of the eyes is 0.65 to 1.2 of the distance to the mouth in 98 % of the photos, and less in
    side faces.
    """
    long = face.eyes_to_mouth
    if long <= 0:
        return False
    angle = math.radians(face.roll)
    down = (-math.sin(angle), math.cos(angle))
    nose, mouth = (
        ((point[0] - face.eyes[0]) * down[0] + (point[1] - face.eyes[1]) * down[1]) / long
        for point in (face.nose, face.mouth)
    )
    eyes = math.dist(face.left_eye, face.right_eye) / long
    return mouth > 0.8 and 0.1 < nose < 0.95 and eyes < 1.6 and abs(face.roll) < 60


def middle_place(places: Sequence[FacePlace]) -> FacePlace:
    """The median place of a source, level: for its pictures in which no face is found.

    Without any place: where `transform` leaves the picture as it is.
    """
    if not places:
        return FacePlace(*EYES, EYES_TO_MOUTH, 0.0)
    x, y, long = np.median([(p.x, p.y, p.eyes_to_mouth) for p in places], axis=0).tolist()
    return FacePlace(x, y, long, 0.0)


def transform(place: FacePlace) -> NDArray[np.float64]:
    """The `(2, 3)` matrix from picture to aligned picture, both in shares of the side."""
    scale = float(np.clip(EYES_TO_MOUTH / max(place.eyes_to_mouth, 1e-6), *SCALES))
    angle = math.radians(float(np.clip(place.roll, -MAX_ROLL, MAX_ROLL)))
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    # Where the picture's middle comes to lie; its edges are half a scale away, so each limit is one on that.
    middle = np.array(EYES) + turn @ np.array([0.5 - place.x, 0.5 - place.y])
    side, top, bottom = MAX_BORDERS["side"], MAX_BORDERS["top"], MAX_BORDERS["bottom"]
    middle = np.clip(
        middle, [1 - side - scale / 2, 1 - bottom - scale / 2], [side + scale / 2, top + scale / 2]
    )
    shift = middle - turn @ (0.5, 0.5)
    return np.hstack([turn, shift[:, None]])


def align(picture: NDArray[np.uint8], place: FacePlace, size: int) -> NDArray[np.uint8]:
    """Cut the aligned square `(size, size, 3)` out of a square picture `(S, S, 3)`.

    Where the square reaches over the edge, the picture is mirrored. Shrinking averages before it samples, so
    nothing aliases.
    """
    matrix = transform(place)
    scale = size / len(picture) * math.hypot(matrix[0, 0], matrix[1, 0])
    if scale < 1:
        picture = resize(picture, scale)
    side = len(picture)
    # OpenCV's pixel centres lie at whole numbers, ours at halves.
    turn = matrix[:, :2] * (size / side)
    shift = matrix[:, 2] * size + turn @ (0.5, 0.5) - 0.5
    return cv2.warpAffine(
        picture,
        np.hstack([turn, shift[:, None]]),
        (size, size),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def _from_box(box: DrawnFace, side: int, roll: float) -> FacePlace:
    """The place in the picture of a box that was found in it after `_turned(picture, roll)`."""
    x, y = _turned_back(
        (box.left + _DRAWN_EYES[0] * box.side) / side, (box.top + _DRAWN_EYES[1] * box.side) / side, roll
    )
    return FacePlace(x, y, _DRAWN_EYES_TO_MOUTH * box.side / side, roll)


def _turned_back(x: float, y: float, roll: float) -> tuple[float, float]:
    """Where a point of `_turned(picture, roll)` lies in the picture; shares of the side."""
    angle = math.radians(roll)
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * (x - 0.5) - sin * (y - 0.5) + 0.5, sin * (x - 0.5) + cos * (y - 0.5) + 0.5


def _turned(picture: NDArray[np.uint8], roll: float) -> NDArray[np.uint8]:
    if roll == 0:
        return picture
    middle = (len(picture) - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), roll, 1)
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)

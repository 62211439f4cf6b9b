"""Where the face is in a picture: five landmarks from YuNet, and a coarse box for drawings.

YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023; OpenCV's `FaceDetectorYN`) was
trained on photos. On drawings it often finds one half of a face, so drawings have a second detector:
nagadomi's cascade of local binary patterns, which gives a box and no landmarks.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.errors import MissingWeightsError, WeightsMismatchError
from eval.weight_files import WeightFile, find_weights, weights_folder
from fewshot.errors import BadInputError

YUNET = WeightFile(
    "face_detection_yunet.onnx",
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/47534e27c9851bb1128ccc0102f1145e27f23f98"
    "/models/face_detection_yunet/face_detection_yunet_2026may.onnx",
    "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
)
"""YuNet of OpenCV's zoo, MIT, 230 KB; the export of May 2026, whose input may have any size."""

DRAWN_FACES = WeightFile(
    "lbpcascade_animeface.xml",
    "https://raw.githubusercontent.com/nagadomi/lbpcascade_animeface"
    "/4433ab1ae1166ea75acfe99eb0f18709dac329a0/lbpcascade_animeface.xml",
    "9376d30ac38db6bda2a68b88b3b76bbd7e6aa33af47f7f5c76bc88ca75f1ce30",
)
"""Cascade for drawn faces, MIT, 247 KB; read by OpenCV 4 only."""

_PADDING = 0.25
"""Replicated border on each side, as a share of the longer side: YuNet misses faces that fill the picture."""

_DRAWN_SIDE = 128
"""Longer side that the cascade searches, px; at 192 it finds as many and takes longer."""

_DRAWN_PADDING = 0.125
"""As `_PADDING`; without it 2 % of the tight crops are missed and the boxes of the others are too small."""

_MIN_DRAWN = 0.25
"""Smallest drawn face that is looked for, as a share of the shorter side."""

_LEAST_EYES = 0.45
"""Least distance of the eyes, in distances from eyes to mouth, that tells the roll: less is a side face."""

Point = tuple[float, float]


@dataclass(frozen=True)
class FaceLandmarks:
    """Five points of one face, `(x, y)` in pixels of the picture; left and right as seen by the viewer."""

    left_eye: Point
    """Centre of the eye on the left of the picture."""
    right_eye: Point
    """Centre of the eye on the right of the picture."""
    nose: Point
    """Tip of the nose."""
    left_mouth: Point
    """Corner of the mouth on the left of the picture."""
    right_mouth: Point
    """Corner of the mouth on the right of the picture."""
    score: float
    """Confidence of the detector, in [0, 1]."""

    @property
    def eyes(self) -> Point:
        """Point between the eyes."""
        return _middle(self.left_eye, self.right_eye)

    @property
    def mouth(self) -> Point:
        """Point between the corners of the mouth."""
        return _middle(self.left_mouth, self.right_mouth)

    @property
    def eyes_to_mouth(self) -> float:
        """Distance of both, px: the size of a face, whichever way it looks."""
        return math.dist(self.eyes, self.mouth)

    @property
    def roll(self) -> float:
        """Degrees that the eye line sinks to the right; 0 for a side face, whose eyes tell no tilt."""
        right, down = (self.right_eye[i] - self.left_eye[i] for i in range(2))
        if math.hypot(right, down) < _LEAST_EYES * self.eyes_to_mouth:
            return 0.0
        return math.degrees(math.atan2(down, right))


@dataclass(frozen=True)
class DrawnFace:
    """A square around a drawn face, in pixels of the picture."""

    left: float
    """Left edge."""
    top: float
    """Upper edge."""
    side: float
    """Width and height."""
    votes: int
    """Windows of the cascade that agree on it."""


def _middle(one: Point, other: Point) -> Point:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


class FaceFinder:
    """YuNet, ready to be called from several threads.

    Args:
        weights: its weight file; None looks in the weight cache and downloads it once.

    Raises:
        eval.errors.MissingWeightsError: the file is not there and cannot be fetched.
        eval.errors.WeightsMismatchError: a cached or downloaded file is another one.
        BadInputError: the given file is none that OpenCV can load.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = _find(YUNET, weights)
        # OpenCV's detectors keep the size of the last picture: one for each thread.
        self._local = threading.local()
        try:
            # Any ONNX file can be loaded; whether it finds faces shows when it looks.
            self.all_landmarks(np.zeros((64, 64, 3), np.uint8), side=64)
        except (cv2.error, IndexError, ValueError):
            raise _wrong_file(self._weights, YUNET) from None

    def landmarks(
        self, picture: NDArray[np.uint8], *, side: int = 256, threshold: float = 0.5
    ) -> FaceLandmarks | None:
        """Landmarks of the clearest large face, or None.

        Args:
            picture: `(H, W, 3)` RGB.
            side: the picture is searched with its longer side at this many px (a face should then have 20 px
                or more); at 192 px it takes half the time and tells less of a tilt.
            threshold: lowest score that counts, in [0, 1].
        """
        faces = self.all_landmarks(picture, side=side, threshold=threshold)
        return faces[0] if faces else None

    def all_landmarks(
        self, picture: NDArray[np.uint8], *, side: int = 256, threshold: float = 0.5
    ) -> list[FaceLandmarks]:
        """Landmarks of every face, ordered by score times side, the clearest large one first."""
        scale = side / max(picture.shape[:2])
        small = resize(picture, scale)
        border = round(side * _PADDING)
        padded = cv2.copyMakeBorder(small, *(border,) * 4, cv2.BORDER_REPLICATE)
        detector = self._detector()
        detector.setScoreThreshold(threshold)
        detector.setInputSize((padded.shape[1], padded.shape[0]))
        rows = detector.detect(np.ascontiguousarray(padded[:, :, ::-1]))[1]
        if rows is None:
            return []
        rows = sorted(rows.tolist(), key=lambda row: -row[14] * (row[2] * row[3]) ** 0.5)
        return [_from_row(row, border, scale) for row in rows]

    def _detector(self) -> Any:
        if not hasattr(self._local, "detector"):
            self._local.detector = cv2.FaceDetectorYN.create(self._weights, "", (320, 320), 0.5, 0.3, 50)
        return self._local.detector


class DrawnFaceFinder:
    """The cascade for drawn faces, ready to be called from several threads; arguments as for `FaceFinder`."""

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = _find(DRAWN_FACES, weights)
        self._local = threading.local()
        try:
            loaded = not self._cascade().empty()
        # OpenCV's binding raises SystemError where its parser stumbles.
        except (cv2.error, SystemError):
            loaded = False
        if not loaded:
            raise _wrong_file(self._weights, DRAWN_FACES)

    def face(self, picture: NDArray[np.uint8]) -> DrawnFace | None:
        """The upright face (tilted by about 15° at most) with most votes, or None.

        Args:
            picture: `(H, W, 3)` RGB.
        """
        scale = _DRAWN_SIDE / max(picture.shape[:2])
        grey = cv2.equalizeHist(cv2.cvtColor(resize(picture, scale), cv2.COLOR_RGB2GRAY))
        least = max(24, round(min(grey.shape) * _MIN_DRAWN))
        border = round(_DRAWN_SIDE * _DRAWN_PADDING)
        grey = cv2.copyMakeBorder(grey, *(border,) * 4, cv2.BORDER_REPLICATE)
        boxes, votes = self._cascade().detectMultiScale2(
            grey, scaleFactor=1.05, minNeighbors=3, minSize=(least, least)
        )
        if not len(boxes):
            return None
        best = int(np.argmax(votes))
        left, top, width, _ = (float(value) for value in boxes[best])
        return DrawnFace((left - border) / scale, (top - border) / scale, width / scale, int(votes[best]))

    def _cascade(self) -> Any:
        if not hasattr(self._local, "cascade"):
            self._local.cascade = cv2.CascadeClassifier(self._weights)
        return self._local.cascade


def resize(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Scale a picture `(H, W, 3)`; shrinking averages, so nothing aliases."""
    if scale == 1:
        return picture
    size = [max(1, round(length * scale)) for length in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _find(wanted: WeightFile, given: Path | None) -> str:
    try:
        # Another release of the detector may be given; whether it is one shows when OpenCV loads it.
        return str(find_weights(wanted if given is None else replace(wanted, sha256=None), given))
    except MissingWeightsError as error:
        ways = (
            f"give its path with --detector (of drawn faces: --cascade), put it at "
            f"{weights_folder() / wanted.name} (FEWSHOT_HOME moves that folder), or let it be fetched from "
            f"{wanted.url} (sha256 {wanted.sha256})"
        )
        raise MissingWeightsError(str(error), ways) from None
    except WeightsMismatchError as error:
        raise WeightsMismatchError(
            str(error), "delete it, or give another with --detector (of drawn faces: --cascade)"
        ) from None


def _wrong_file(path: str, wanted: WeightFile) -> BadInputError:
    return BadInputError(
        f"{path} is not a detector that OpenCV can load", f"expected {wanted.name}, from {wanted.url}"
    )


def _from_row(row: list[float], border: int, scale: float) -> FaceLandmarks:
    # x, y, width, height; the person's right eye, left eye, nose, right and left corner of the mouth; score.
    points = [((row[i] - border) / scale, (row[i + 1] - border) / scale) for i in range(4, 14, 2)]
    return FaceLandmarks(points[0], points[1], points[2], points[3], points[4], score=float(row[14]))

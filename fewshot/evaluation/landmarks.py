"""The face detector of the evaluation: five landmarks on photos and on drawings alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eval.correspondence import Landmarks
from eval.errors import MissingWeightsError
from fewshot.data.faces import FaceFinder
from fewshot.errors import NotFoundError

_SEARCH_SIDE = 256
"""Longer side, px, at which faces are looked for: smaller ones lose a tenth of the drawings."""


def landmark_detector(weights: Path | None) -> tuple[Landmarks | None, tuple[str, ...]]:
    """YuNet as `eval.correspondence` calls it, or None and why there is none.

    Args:
        weights: YuNet's file; None looks in the weight cache and fetches it once.

    Raises:
        NotFoundError: a file was named and is not there.
        BadInputError: the file is none that OpenCV can load.
    """
    if weights is not None and not weights.is_file():
        raise NotFoundError(
            f"--detector {weights}: no such file; expected YuNet's .onnx", "leave --detector out"
        )
    try:
        finder = FaceFinder(weights)
    except MissingWeightsError as error:
        return None, (f"no part-level numbers: {error}; give the file with --detector",)

    def find(picture: np.ndarray) -> np.ndarray | None:
        face = finder.landmarks(picture, side=_SEARCH_SIDE)
        if face is None:
            return None
        return np.array([face.left_eye, face.right_eye, face.nose, face.left_mouth, face.right_mouth])

    return find, ()

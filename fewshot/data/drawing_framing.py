"""Square framing of drawings, so that their faces are as large as those of the photos that are redrawn.

Artists draw heads and busts. In eight sets the distance from eyes to mouth was 0.13 to 0.29 of the picture's
side (medians, by the same parser), in selfies 0.30; skin filled 0.11 to 0.29, in selfies 0.36. A style
learned from busts puts their thin lines, small features and wide grounds on faces that fill the picture. So
the face parser looks at each drawing, it is cut about the eyes, and the parser looks at the cut again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eval.face_parsing import CELLS, PARTS, FaceParser, load_face_parser
from fewshot.data.face_window import EYES_AT, WHOLE_PICTURE, FaceWindow, median_window, wider, window_about

EYES_TO_MOUTH = 0.30
"""Distance that is aimed at, in sides: a selfie's (median of photos 3200-3263, found by the same parser)."""
SKIN = 0.36
"""Share of the picture that is aimed at: a selfie's, likewise."""
LARGEST = 2.5
"""Enlargement at most: what is smaller yet is no portrait, or the parser is wrong."""
WHOLE = 1.12
"""Drawings that would be enlarged by less are used as they are."""
BLUR = 1.5
"""Drawn pixels of the result for one of the file, at most."""

LOOK = 128
"""Side of the pictures that the parser is shown, px."""
_SURE = 0.3
_LEAST_CELLS = 0.7
"""Cells that eyes or a mouth fill at least, each as sure as it is."""
_MISSED = 0.12
"""How far from `EYES_AT` the eyes may be found in a window that was cut about them, in its sides."""
_WILD = 2.0
"""How many times as large skin may ask for a face than the mouth does, or the other way round."""
_DIFFUSE = 0.65
"""Nats: the parser knows faces by their place too, and half believes in one in noise (0.71 and more; in
whole drawings 0.57 at most)."""
_QUORUM = 0.25
"""Share of faces that is to be found before the rest is cut like them, where they agree."""
_ALIKE = 0.045
"""Of `_differ`: 0.01 to 0.03 in eight artists' sets, 0.05 to 0.07 where the parser finds faces in houses."""
_WIDER = 1.25
"""How much wider another look is: what is cut closely is sometimes no face to the parser."""
_ERRS = 0.12
"""How far off the parser's size of a face may be: it spreads by 0.08 to 0.14 where all heads are of one."""
_UNDERSTATED = 1.25
"""The parser sees a tenth more of size as 0.08 more: the same drawings, shown closer and wider."""
_BATCH = 16


@dataclass(frozen=True)
class SeenFace:
    """A face in a square picture."""

    eyes: tuple[float, float]
    """Between the eyes, from the left and from above, in sides."""
    sureness: float
    """Cells of eyes and mouth, each as sure as it is."""


def faces_seen(pictures: Sequence[NDArray[np.uint8]]) -> list[SeenFace | None]:
    """What one look finds in squares `(LOOK, LOOK, 3)` RGB; None where there is no face."""
    found: list[SeenFace | None] = []
    for start in range(0, len(pictures), _BATCH):
        for parts in _look(pictures[start : start + _BATCH]):
            features = parts[[PARTS.index("eyes"), PARTS.index("mouth")]]
            eyes = _centre(features[0]) if _entropy(parts) <= _DIFFUSE else None
            found.append(eyes and SeenFace(eyes, float(_sure(features).sum())))
    return found


def frame_drawings(squares: Sequence[NDArray[np.uint8]], size: int) -> list[NDArray[np.uint8]]:
    """Cut the drawings of one hand about their faces, as large as faces are in selfies.

    Args:
        squares: as `drawing_page.drawing_square` gives them, `(s, s, 3)` RGB.
        size: side of the results, px.

    Returns:
        `(size, size, 3)` RGB each.
    """
    windows = face_windows(squares, size)
    return [cut_window(square, window, size) for square, window in zip(squares, windows, strict=True)]


def face_windows(squares: Sequence[NDArray[np.uint8]], size: int) -> list[FaceWindow]:
    """Where `frame_drawings` cuts.

    The parser sees each drawing as it is, then three times as it would be cut, wider and mirrored, since one
    look errs by a tenth. A face counts as found when more than half of the four looks find it where the cut
    should have brought it. Else (dots for eyes, a face behind hair) the cut is the median of the others', if
    a quarter was found and their eyes are at one place, as they are where one hand draws heads; sizes that
    differ by less than the parser errs are then made the same. What was not found in other sets is used as
    it is.
    """
    first = _look_again(squares, [WHOLE_PICTURE] * len(squares), size)
    aimed = [WHOLE_PICTURE if window is None else window for window in first]
    looks = [_look_again(squares, [wider(w, by) for w in aimed], size) for by in (1.0, _WIDER)]
    flipped = [np.ascontiguousarray(square[:, ::-1]) for square in squares]
    turned = _look_again(flipped, [wider(w, _WIDER**0.5).mirrored for w in aimed], size)
    looks.append([window and window.mirrored for window in turned])
    seen = [_agreed(views) for views in zip(first, *looks, strict=True)]
    sure = [window for window in seen if window is not None]
    if _differ(sure) > _ALIKE or len(sure) < max(2, _QUORUM * len(squares)):
        return [replace(WHOLE_PICTURE, found=False) if window is None else window for window in seen]
    middle = _middle(sure)
    return [
        replace(middle, found=False) if window is None else _sized_like(window, middle) for window in seen
    ]


def _agreed(views: Sequence[FaceWindow | None]) -> FaceWindow | None:
    """The median of what several looks ask for; None where half of them find no face."""
    found = [window for window in views if window is not None]
    if len(found) <= len(views) / 2:
        return None
    return _middle(found)


def _middle(windows: Sequence[FaceWindow]) -> FaceWindow:
    """Their median; the whole picture where that would hardly be enlarged."""
    middle = median_window(windows)
    return middle if middle.side <= 1 / WHOLE else WHOLE_PICTURE


def _sized_like(window: FaceWindow, middle: FaceWindow) -> FaceWindow:
    """With the size of the others where it hardly differs, and nearer to it where it does."""
    if WHOLE_PICTURE in (window, middle):
        return window
    off = math.log(window.side / middle.side)
    kept = math.copysign(max(0.0, abs(off) - _ERRS), off)
    return window_about(*window.eyes, middle.side * math.exp(kept))


def _look_again(
    squares: Sequence[NDArray[np.uint8]], windows: Sequence[FaceWindow], size: int
) -> list[FaceWindow | None]:
    """A better window for each; None where no face is where it should be in a window that was cut."""
    found: list[FaceWindow | None] = []
    for start in range(0, len(squares), _BATCH):
        batch = slice(start, start + _BATCH)
        shown = [cut_window(s, w, LOOK) for s, w in zip(squares[batch], windows[batch], strict=True)]
        for square, window, parts in zip(squares[batch], windows[batch], _look(shown), strict=True):
            found.append(_better(window, parts, BLUR * len(square) / size))
    return found


def _differ(windows: Sequence[FaceWindow]) -> float:
    """Median distance of eyes from their middle, across or in height, in sides, where anything is cut."""
    eyes = np.array([w.eyes for w in windows if w != WHOLE_PICTURE])
    return float(np.median(np.abs(eyes - np.median(eyes, axis=0)), axis=0).max()) if len(eyes) else 0.0


def _better(window: FaceWindow, parts: Tensor, largest: float) -> FaceWindow | None:
    """The window that the face asks for that was found in `window`; None where none was found.

    Args:
        window: what was looked at.
        parts: probabilities of the parts `(P, CELLS, CELLS)` in it.
        largest: enlargement at most.
    """
    if window == WHOLE_PICTURE and _entropy(parts) > _DIFFUSE:
        return None
    eyes, mouth = _centre(parts[PARTS.index("eyes")]), _centre(parts[PARTS.index("mouth")])
    if eyes is None or (window != WHOLE_PICTURE and math.dist(eyes, EYES_AT) > _MISSED):
        return None
    skin = float(parts[PARTS.index("skin")].mean())
    asked = (SKIN / max(skin, 0.02)) ** 0.5
    if mouth is not None and mouth[1] - eyes[1] > 0.04:
        # Beards and glasses hide skin, and a shout moves the mouth: the middle of both errs least. Where they
        # differ wildly the mouth is a button or a print on a shirt.
        by_mouth = EYES_TO_MOUTH / (mouth[1] - eyes[1])
        if 1 / _WILD < by_mouth / asked < _WILD:
            asked = (asked * by_mouth) ** 0.5
    side = float(np.clip(window.side / asked**_UNDERSTATED, 1 / max(1.0, min(LARGEST, largest)), 1.0))
    if side > 1 / WHOLE:
        return WHOLE_PICTURE
    return window_about(window.left + window.side * eyes[0], window.top + window.side * eyes[1], side)


def _entropy(parts: Tensor) -> float:
    """Mean entropy of which part a place is of, in nats."""
    return float(torch.special.entr(parts).sum(0).mean())


def _sure(part: Tensor) -> Tensor:
    return torch.where(part > _SURE, part, 0.0)


def _centre(part: Tensor) -> tuple[float, float] | None:
    """Centre of a part in sides, None where there is hardly any."""
    sure = _sure(part)
    if float(sure.sum()) < _LEAST_CELLS:
        return None
    along = (torch.arange(CELLS) + 0.5) / CELLS
    return float(sure.sum(0) @ along / sure.sum()), float(sure.sum(1) @ along / sure.sum())


def _look(pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        return _parser()(stacked)


@cache
def _parser() -> FaceParser:
    return load_face_parser()


def cut_window(square: NDArray[np.uint8], window: FaceWindow, size: int) -> NDArray[np.uint8]:
    """`(size, size, 3)` of a window, averaged where it shrinks; mirrored beyond the edge."""
    if window == WHOLE_PICTURE and len(square) == size:
        return square
    side = len(square)
    scale = size / (window.side * side)
    if scale < 1:
        square = cv2.resize(square, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
        side, scale = len(square), size / (window.side * len(square))
    # OpenCV's pixel centres lie at whole numbers, ours at halves.
    shift = [0.5 * scale - 0.5 - window.left * side * scale, 0.5 * scale - 0.5 - window.top * side * scale]
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    cut = cv2.warpAffine(
        square, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(cut, np.uint8)

"""Drawings are cut about their faces: against renderings whose parts are known."""

import functools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from eval.face_parsing import PARTS
from fewshot.data.drawing_framing import LARGEST, face_windows, frame_drawings
from fewshot.data.face_window import EYES_AT
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_hands
from fewshot.samples.face import FacePlan
from fewshot.samples.labels import draw_labelled

SIDE, SIZE = 320, 128


rendered = functools.cache(draw_labelled)
"""Rendering takes longer than all else here."""


def busts(
    hand: str, count: int, shrink: float, *, scattered: bool = True
) -> list[tuple[NDArray[np.uint8], tuple[float, float]]]:
    """Small heads on sheets of the ground's colour, anywhere or in the middle, and their eyes, in sides."""
    made = []
    for index in range(count):
        rng = np.random.default_rng((7, index))
        size = round(SIDE * shrink)
        picture, parts = rendered(hand, FacePlan.random(rng), (7, index), size, PARTS)
        left, top = (int(rng.integers(0, SIDE - size + 1)) for _ in range(2))
        if not scattered:
            left = top = (SIDE - size) // 2
        sheet = np.empty((SIDE, SIDE, 3), np.uint8)
        sheet[:] = np.median(picture[0], axis=0).astype(np.uint8)
        sheet[top : top + size, left : left + size] = picture
        rows, columns = np.nonzero(parts == PARTS.index("eyes"))
        made.append((sheet, ((left + columns.mean()) / SIDE, (top + rows.mean()) / SIDE)))
    return made


@pytest.mark.parametrize("hand", sample_hands())
def test_small_heads_are_enlarged_and_their_eyes_come_to_one_place(hand: str) -> None:
    made = busts(hand, 7, 0.62)
    windows = face_windows([sheet for sheet, _ in made], SIZE)
    assert sum(window.found for window in windows) >= 5
    misses = []
    for window, (_, eyes) in zip(windows, made, strict=True):
        if window.found:
            assert 1 / LARGEST <= window.side <= 0.9
            at = (eyes[0] - window.left) / window.side, (eyes[1] - window.top) / window.side
            misses.append(np.hypot(at[0] - EYES_AT[0], at[1] - EYES_AT[1]))
    assert np.median(misses) < 0.08


def test_cut_is_the_window(tmp_path: Path) -> None:
    """Pixels of the result lie where the window says: against Pillow's own cut and resize."""
    sheets = [sheet for sheet, _ in busts("flat", 6, 0.62)]
    for sheet, window, cut in zip(
        sheets, face_windows(sheets, SIZE), frame_drawings(sheets, SIZE), strict=True
    ):
        assert cut.shape == (SIZE, SIZE, 3)
        left, top, side = (SIDE * share for share in (window.left, window.top, window.side))
        if min(left, top) < 0 or max(left, top) + side > SIDE:
            continue
        box = (left, top, left + side, top + side)
        theirs = Image.fromarray(sheet).resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box)
        assert np.abs(np.asarray(theirs).astype(float) - cut).mean() < 3


@pytest.mark.parametrize("hand", sample_hands())
def test_heads_of_one_size_are_cut_at_one_size(hand: str) -> None:
    made = [sheet for sheet, _ in busts(hand, 12, 0.62, scattered=False)]
    sides = np.array([window.side for window in face_windows(made, SIZE)])
    assert sides.max() <= 0.9
    assert np.mean(np.abs(sides / np.median(sides) - 1) < 0.05) > 0.7


def test_heads_of_two_sizes_are_not_taken_for_one() -> None:
    made = [sheet for share in (0.6, 1.0) for sheet, _ in busts("flat", 7, share, scattered=False)]
    sides = [window.side for window in face_windows(made, SIZE)]
    assert 1.15 < np.median(sides[7:]) / np.median(sides[:7]) < 1.6


def test_framed_drawings_are_hardly_cut_again() -> None:
    framed = frame_drawings([sheet for sheet, _ in busts("flat", 6, 0.62)], SIZE)
    assert np.median([window.side for window in face_windows(framed, SIZE)]) > 0.85


def test_noise_is_not_cut() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 200, 200, 3), dtype=np.uint8)
    assert {window.side for window in face_windows(list(noise), SIZE)} == {1.0}
    assert not any(window.found for window in face_windows(list(noise), SIZE))


def test_hidden_faces_are_cut_as_the_others_where_eyes_are_at_one_height() -> None:
    """Blank sheets are cut as the few faces that are seen, but only if these are alike."""
    made = sorted(busts("flat", 9, 0.62), key=lambda pair: pair[1][1])
    blank = [np.full_like(made[0][0], 250)] * 8
    alike = face_windows([made[4][0]] * 4 + blank, SIZE)
    assert {window.side for window in alike[4:]} == {alike[0].side}
    assert not any(window.found for window in alike[4:])
    assert alike[0].side < 0.9
    scattered = face_windows([made[place][0] for place in (0, 1, 7, 8)] + blank[:1], SIZE)
    assert all(window.found and window.side < 0.9 for window in scattered[:4])
    assert scattered[4].side == 1.0


def placed(heads: list[NDArray[np.uint8]], at: list[tuple[int, int]]) -> list[NDArray[np.uint8]]:
    """Heads in the corner of sheets, moved to the right and down, px."""
    return [np.roll(head, (down, right), (0, 1)) for head, (right, down) in zip(heads, at, strict=True)]


def test_a_face_that_is_found_elsewhere_is_not_cut_away() -> None:
    made = [sheet for sheet, _ in busts("flat", 6, 0.62, scattered=False)]
    eyes = [at for _, at in busts("flat", 6, 0.62, scattered=False)]
    move = SIDE // 6
    windows = face_windows(placed(made, [(move, 0), (-move, 0)] * 3), SIZE)
    for window, (x, _), right in zip(windows, eyes, [1, -1] * 3, strict=True):
        if window.found:
            assert 0.25 < (x + right * move / SIDE - window.left) / window.side < 0.75
    assert sum(window.found for window in windows) >= 4


def test_what_hardly_anybody_shows_is_no_face() -> None:
    made = [sheet for sheet, _ in busts("flat", 1, 0.62)]
    blank = [np.full_like(made[0], 250)] * 8
    assert {window.side for window in face_windows(made + blank, SIZE)[1:]} == {1.0}


def test_set_is_framed_and_keeps_its_hashes(tmp_path: Path) -> None:
    for index, (sheet, _) in enumerate(busts("ink", 6, 0.62)):
        Image.fromarray(sheet).save(tmp_path / f"{index}.png")
    whole = StyleSet.from_folder(tmp_path, size=64)
    faces = StyleSet.from_folder(tmp_path, size=64, crop="face")
    assert whole.hashes == faces.hashes
    assert faces.tensor().shape == whole.tensor().shape
    assert not np.array_equal(faces.tensor().numpy(), whole.tensor().numpy())

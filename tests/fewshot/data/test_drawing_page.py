"""Heads anywhere on long pages are found, and what has none is cut in its middle."""

import functools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from eval.face_parsing import PARTS
from fewshot.data.drawing_framing import faces_seen
from fewshot.data.drawing_page import LONG, drawing_square
from fewshot.data.face_window import EYES_AT
from fewshot.data.pictures import to_square
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_hands
from fewshot.samples.face import FacePlan
from fewshot.samples.labels import draw_labelled

SIDE = 256

rendered = functools.cache(draw_labelled)
"""Rendering takes longer than all else here."""


def page(
    hand: str, size: tuple[int, int], corner: tuple[int, int]
) -> tuple[Image.Image, tuple[float, float]]:
    """A head of 256 px on paper of the ground's colour, and where its eyes are on it, px."""
    picture, parts = rendered(hand, FacePlan.random(np.random.default_rng(3)), (3,), SIDE, PARTS)
    sheet = Image.new("RGB", size, tuple(int(v) for v in np.median(picture[0], axis=0)))
    sheet.paste(Image.fromarray(picture), corner)
    rows, columns = np.nonzero(parts == PARTS.index("eyes"))
    return sheet, (corner[0] + float(columns.mean()), corner[1] + float(rows.mean()))


def pasted(square: NDArray[np.uint8], sheet: Image.Image, start: float) -> bool:
    """Whether a square is the part of a sheet that begins at `start` along its longer side."""
    upright, side = sheet.height > sheet.width, min(sheet.size)
    at = (0, round(start)) if upright else (round(start), 0)
    return np.array_equal(square, np.asarray(sheet.crop((*at, at[0] + side, at[1] + side))))


@pytest.mark.parametrize("hand", sample_hands())
@pytest.mark.parametrize(
    ("size", "corner"),
    [((280, 700), (12, 6)), ((280, 700), (12, 430)), ((760, 270), (500, 8)), ((760, 270), (4, 8))],
)
def test_the_square_has_the_head_in_it(hand: str, size: tuple[int, int], corner: tuple[int, int]) -> None:
    sheet, eyes = page(hand, size, corner)
    square = drawing_square(sheet, 128)
    side, along = min(size), int(size[1] > size[0])
    wanted = np.clip(eyes[along] - EYES_AT[along] * side, 0, max(size) - side)
    starts = range(max(size) - side + 1)
    start = next(start for start in starts if pasted(square, sheet, start))
    assert abs(start - wanted) < 0.06 * side
    small = np.asarray(Image.fromarray(square).resize((128, 128)))
    assert faces_seen([small])[0] is not None


def test_pages_without_a_face_and_short_ones_give_their_middle() -> None:
    rng = np.random.default_rng(0)
    blank = Image.new("RGB", (300, 900), "white")
    noise = Image.fromarray(rng.integers(0, 256, (200, 700, 3)).astype(np.uint8))
    sheet, _ = page("ink", (280, round(280 * LONG) - 1), (12, 2))
    for image in (blank, noise, sheet):
        side = min(image.size)
        assert np.array_equal(drawing_square(image, 128), to_square(image, side))


def test_a_strip_of_a_page_is_no_trouble() -> None:
    assert drawing_square(Image.new("RGB", (2, 4000), "white"), 32).shape == (32, 32, 3)
    assert drawing_square(Image.new("RGB", (6000, 3)), 32).shape == (32, 32, 3)


def test_square_keeps_pixels_to_cut_from() -> None:
    assert drawing_square(Image.new("RGB", (900, 1200)), 128).shape == (320, 320, 3)
    assert drawing_square(Image.new("RGB", (200, 150)), 128).shape == (150, 150, 3)
    assert drawing_square(Image.new("RGB", (60, 90)), 128).shape == (128, 128, 3)


def test_a_folder_of_other_subjects_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3)).astype(np.uint8))
        coarse.resize((200, 200), Image.Resampling.BICUBIC).save(tmp_path / f"{number}.png")
    told = [p.message for p in StyleSet.from_folder(tmp_path, size=64, crop="face").problems]
    assert any("no face was found in 6 of 6 drawings" in message for message in told)
    assert not StyleSet.from_folder(tmp_path, size=64).problems


def test_heads_are_not_complained_of(tmp_path: Path) -> None:
    for number, hand in enumerate(sample_hands() * 2):
        page(hand, (300, 500), (20, 20 + 30 * number))[0].save(tmp_path / f"{number}.png")
    assert not StyleSet.from_folder(tmp_path, size=64, crop="face").problems

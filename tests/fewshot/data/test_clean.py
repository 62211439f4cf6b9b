"""Cleaning: grey, frames and copies are told from what only looks like them."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut, chelsea

from fewshot.data.clean import cells, cut_frame, find_copies, is_grey
from fewshot.data.duplicates import find_twins, fingerprint
from fewshot.data.pictures import content_hash

PHOTO = np.ascontiguousarray(astronaut()[:256, 96:352])


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)


def test_grey_and_toned_pictures_are_told_from_pale_ones() -> None:
    toned = np.clip(grey(PHOTO) * 0.9 + np.array([20, 8, 0]), 0, 255).astype(np.uint8)
    pale = (grey(PHOTO) * 0.5 + PHOTO * 0.5).astype(np.uint8)
    assert is_grey(grey(PHOTO))
    assert is_grey(toned)
    assert not is_grey(pale)
    assert not is_grey(PHOTO)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (120, 30, 60)])
@pytest.mark.parametrize("widths", [(30, 30, 0, 0), (0, 0, 24, 24), (12, 12, 12, 12), (0, 20, 0, 0)])
def test_a_frame_is_cut_off(colour: tuple[int, int, int], widths: tuple[int, int, int, int]) -> None:
    picture = np.ascontiguousarray(chelsea()[:256, 60:316])
    top, bottom, left, right = widths
    for part in (
        picture[:top],
        picture[256 - bottom :] if bottom else picture[:0],
        picture[:, :left],
        picture[:, 256 - right :] if right else picture[:, :0],
    ):
        part[:] = colour
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=85)
    cut = cut_frame(np.asarray(Image.open(buffer)))
    # A few rows or columns more go at each line, which compression blurs.
    lost = 256 - np.array(cut.shape[:2])
    wanted = np.array([top + bottom, left + right])
    assert (lost >= wanted).all()
    lines = np.array([(top > 0) + (bottom > 0), (left > 0) + (right > 0)])
    assert (lost <= wanted + 5 * lines).all()


def test_a_plain_background_is_no_frame() -> None:
    rows, columns = np.mgrid[:256, :256]
    head = np.full((256, 256, 3), 250, np.uint8)
    head[(rows - 150) ** 2 + (columns - 128) ** 2 < 90**2] = (90, 60, 40)
    head[(rows > 220) & (np.abs(columns - 128) < 88)] = (40, 40, 120)
    assert cut_frame(head).shape == head.shape
    assert cut_frame(PHOTO).shape == PHOTO.shape


def test_a_picture_of_one_colour_is_all_frame() -> None:
    assert cut_frame(np.full((64, 64, 3), 7, np.uint8)).size == 0


def test_copies_are_those_that_the_slow_search_finds() -> None:
    random = np.random.default_rng(0)
    cat = chelsea()
    pictures = []
    for _ in range(40):
        source = (PHOTO, cat)[random.integers(2)]
        top, left = (int(random.integers(length - 120)) for length in source.shape[:2])
        pictures.append(Image.fromarray(np.ascontiguousarray(source[top : top + 120, left : left + 120])))
    for index in (3, 17, 30):
        buffer = io.BytesIO()
        pictures[index].resize((84, 84), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=60)
        pictures.append(Image.open(buffer).convert("RGB"))
    pictures.append(pictures[5].copy())
    slow = find_twins([fingerprint(picture, content_hash(picture)) for picture in pictures])
    fast = find_copies([cells(np.asarray(picture)) for picture in pictures])
    assert {40, 41, 42, 43} <= fast.keys()
    assert fast.keys() == {twin.index for twin in slow if twin.kind != "mirrored"}


def test_the_first_of_several_copies_stays() -> None:
    small = cells(PHOTO)
    other = cells(np.ascontiguousarray(PHOTO[::-1]))
    assert find_copies([small, other, small, small]) == {2: 0, 3: 0}
    assert find_copies([]) == {}

"""Square framing: where the window lies and that it always is a square."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from fewshot.data.pictures import list_pictures, open_picture
from fewshot.inference.framing import FACE_HEIGHT, SELFIE_SIDE, WINDOW, Mode, find_face, frame


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(data.astronaut())


def test_a_face_is_framed_like_a_selfie(astronaut: Image.Image) -> None:
    face = find_face(astronaut)
    assert face is not None
    x, y, side = face.left, face.top, face.side
    framed = frame(astronaut)
    assert framed.found
    left, top, right, bottom = framed.box
    assert right - left == bottom - top == pytest.approx(WINDOW * side, abs=1)
    assert (x + side / 2 - left) / (right - left) == pytest.approx(0.5, abs=0.02)
    assert (y + side / 2 - top) / (bottom - top) == pytest.approx(FACE_HEIGHT, abs=0.11)
    again = find_face(framed.image)
    assert again is not None
    assert 0.55 < again.side / framed.image.width < 0.8


def test_the_largest_face_wins(astronaut: Image.Image) -> None:
    small = astronaut.resize((256, 256))
    both = Image.new("RGB", (800, 512), "white")
    both.paste(small, (0, 0))
    both.paste(astronaut, (288, 0))
    framed = frame(both)
    assert framed.found
    assert framed.box[0] > 288


def test_a_mirrored_photo_is_framed_mirrored(astronaut: Image.Image) -> None:
    mirrored = astronaut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    face, flipped = find_face(astronaut), find_face(mirrored)
    assert face is not None
    assert flipped is not None
    assert flipped.centre[0] == pytest.approx(512 - face.centre[0], abs=12)


@pytest.mark.parametrize("name", ["00100.webp", "00157.webp", "00224.webp"])
def test_profiles_to_either_side_are_found(shared: Path, name: str) -> None:
    with tarfile.open(shared / "data" / "photos_256.tar") as archive:
        member = next(m for m in archive if m.name.endswith(name))
        content = archive.extractfile(member)
        assert content is not None
        photo = Image.open(io.BytesIO(content.read())).convert("RGB")
    for image in (photo, photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
        assert find_face(image) is not None


def test_a_face_at_the_border_is_filled_by_mirroring(astronaut: Image.Image) -> None:
    face = find_face(astronaut)
    assert face is not None
    x, y, side = (round(value) for value in (face.left, face.top, face.side))
    tight = astronaut.crop((x - 4, y - 4, x + 3 * side, y + side + 4)).resize((600, 250))
    framed = frame(tight)
    assert framed.found
    left, top, right, bottom = framed.box
    assert left < 0
    assert framed.image.size == (right - left, bottom - top)
    pixels = np.asarray(framed.image)
    assert np.array_equal(pixels[:, :-left], pixels[:, -left : -2 * left][:, ::-1])


def test_a_selfie_of_training_size_is_used_whole(astronaut: Image.Image) -> None:
    selfie = frame(astronaut).image.resize((256, 256))
    assert frame(selfie).box == (0, 0, 256, 256)
    larger = selfie.resize((SELFIE_SIDE + 212, SELFIE_SIDE + 212))
    assert frame(larger).box != (0, 0, *larger.size)


def test_without_a_face_the_middle_is_taken() -> None:
    blank = Image.new("RGB", (300, 200), "grey")
    framed = frame(blank)
    assert (framed.found, framed.box) == (False, (50, 0, 250, 200))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(["face", "center"]))
def test_any_picture_becomes_a_square(width: int, height: int, mode: Mode) -> None:
    framed = frame(Image.new("RGB", (width, height), "grey"), mode)
    assert framed.image.width == framed.image.height == min(width, height)


def test_people_are_found_in_wild_pictures(shared: Path) -> None:
    pictures = list_pictures(shared / "data" / "wild" / "people")[:10]
    found = [path.name for path in pictures if frame(open_picture(path)).found]
    assert len(found) == len(pictures)

"""Whole pictures: faces go back where they were, without a seam, and the rest is what was asked for."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from base_models.arrays import load_arrays
from fewshot.inference.detection import CascadeDetector, FaceBox
from fewshot.inference.engine import Engine, fitted
from fewshot.inference.framing import is_portrait
from fewshot.inference.onnx_engine import OnnxEngine
from fewshot.inference.preparing import Framing
from fewshot.inference.stylize import stylize_paths
from fewshot.inference.whole import MAX_SIDE, Background, draw_whole

Pixels = NDArray[np.uint8]


class Copy:
    """An engine that draws what it is shown, so that geometry can be told from drawing."""

    base_name = base_sha256 = "copy"
    styles: tuple[tuple[str, float], ...] = ()
    size, multiple = 128, 8

    def __init__(self) -> None:
        self.seen: list[Pixels] = []

    def draw(self, images: Pixels) -> Pixels:
        self.seen.append(images)
        return images

    def stylize(self, images: Pixels) -> Pixels:
        return self.draw(fitted(images, self.size, self.multiple))


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="module")
def engine() -> Engine:
    return OnnxEngine(load_arrays("scan_128.anime"))


def apart(one: Pixels, other: Pixels) -> NDArray[np.float64]:
    return np.abs(one.astype(float) - other).mean(-1)


@pytest.mark.parametrize("roll", [0.0, 17.0, -80.0])
def test_a_face_that_is_not_changed_goes_back_to_its_place(astronaut: Image.Image, roll: float) -> None:
    copy = Copy()
    (face, *_) = CascadeDetector().faces(astronaut)
    face = FaceBox(face.left, face.top, face.side, roll)
    result = draw_whole(astronaut, copy, [face], "keep")
    difference = apart(result, np.asarray(astronaut))
    assert difference.mean() < 1.5
    assert np.percentile(difference, 99) < 20
    assert copy.seen[0].shape == (1, 3, 128, 128)


def test_outside_the_windows_the_kept_rest_is_untouched(astronaut: Image.Image, engine: Engine) -> None:
    faces = CascadeDetector().faces(astronaut)
    result = draw_whole(astronaut, engine, faces, "keep")
    difference = apart(result, np.asarray(astronaut))
    rows, columns = np.mgrid[:512, :512]
    x, y = faces[0].centre
    far = np.maximum(abs(columns - x), abs(rows - y)) > 0.85 * faces[0].side
    assert difference[far].max() == 0
    near = np.maximum(abs(columns - x), abs(rows - y)) < 0.3 * faces[0].side
    assert difference[near].mean() > 10


def test_no_edge_shows_where_the_face_was_laid_in(astronaut: Image.Image, engine: Engine) -> None:
    """Along the window's outline neighbouring pixels differ no more than elsewhere around it."""
    faces = CascadeDetector().faces(astronaut)
    result = draw_whole(astronaut, engine, faces, "keep").astype(float).mean(-1)
    x, y = faces[0].centre
    half = 0.75 * faces[0].side
    steps = np.abs(np.diff(result, axis=1))
    before = np.abs(np.diff(np.asarray(astronaut, float).mean(-1), axis=1))
    rows = slice(int(y - half / 2), int(y + half / 2))
    for edge in (x - half, x + half):
        columns = slice(int(edge) - 3, int(edge) + 3)
        assert steps[rows, columns].mean() < before[rows, columns].mean() + 2


def test_the_rest_is_drawn_or_left_white(astronaut: Image.Image, engine: Engine) -> None:
    faces = CascadeDetector().faces(astronaut)
    photo = np.asarray(astronaut)
    drawn, plain = (draw_whole(astronaut, engine, faces, kind) for kind in ("stylize", "plain"))
    corner = slice(400, 500), slice(20, 120)
    assert apart(drawn[corner], photo[corner]).mean() > 8
    assert (plain[corner] == 250).all()


def test_two_people_are_both_drawn(astronaut: Image.Image) -> None:
    both = Image.new("RGB", (1024, 512))
    both.paste(astronaut, (0, 0))
    both.paste(astronaut, (512, 0))
    copy = Copy()
    draw_whole(both, copy, CascadeDetector().faces(both), "keep")
    assert len(copy.seen) == 2


def test_a_close_selfie_of_two_is_drawn_whole(astronaut: Image.Image) -> None:
    """One of them alone would be a portrait."""
    face = CascadeDetector().faces(astronaut)[0]
    x, y = face.centre
    reach = 0.8 * face.side
    close = astronaut.crop((x - reach, y - reach, x + reach, y + reach))
    both = Image.new("RGB", (2 * close.width, close.height))
    both.paste(close, (0, 0))
    both.paste(close, (close.width, 0))
    alone, two = (CascadeDetector().faces(image) for image in (close, both))
    assert (len(alone), len(two)) == (1, 2)
    assert is_portrait(close, alone)
    assert not is_portrait(both, two)
    assert is_portrait(both, two[:1])
    # A face on a shirt, or behind, is nobody whom the portrait leaves out.
    small = FaceBox(two[1].left, two[1].top, 0.4 * two[0].side)
    assert is_portrait(both, [two[0], small])


@pytest.mark.parametrize("background", ["keep", "plain"])
def test_a_face_too_small_to_be_drawn_by_itself_is_named(
    astronaut: Image.Image, engine: Engine, tmp_path: Path, background: Background
) -> None:
    """With nothing else drawn either, the result would be the photo or blank paper."""
    astronaut.save(tmp_path / "a.png")
    framing = Framing("whole", background)
    summary = stylize_paths([tmp_path / "a.png"], engine, tmp_path / "out.png", framing=framing, size=64)
    assert not summary.drawn
    assert "--size" in summary.failures[0].error.hint
    summary = stylize_paths([tmp_path / "a.png"], engine, tmp_path / "out.png", framing=framing, size=256)
    assert [drawn.found_face for drawn in summary.drawn] == [True]


def test_large_pictures_are_bounded_and_tiny_faces_belong_to_the_rest() -> None:
    copy = Copy()
    large = Image.new("RGB", (6000, 900), "grey")
    result = draw_whole(large, copy, [FaceBox(100, 100, 12.0)], "stylize")
    assert max(result.shape) == MAX_SIDE
    assert len(copy.seen) == 1
    assert copy.seen[0].shape[2] * copy.seen[0].shape[3] < 700_000


def test_auto_draws_portraits_alone_and_others_whole(
    astronaut: Image.Image, engine: Engine, tmp_path: Path
) -> None:
    astronaut.save(tmp_path / "half.png")
    (face, *_) = CascadeDetector().faces(astronaut)
    box = tuple(round(v) for v in (face.left - 30, face.top - 30, face.left + 130, face.top + 130))
    astronaut.crop(box).save(tmp_path / "portrait.png")  # type: ignore[arg-type]
    Image.new("RGB", (300, 400), "white").save(tmp_path / "nobody.png")
    done = stylize_paths([tmp_path], engine, tmp_path / "out")
    assert {d.source.stem: (d.size, d.found_face) for d in done.drawn} == {
        "half": ((512, 512), True),
        "portrait": ((128, 128), True),
        "nobody": ((128, 128), False),
    }
    again = stylize_paths(
        [tmp_path / "half.png"], engine, tmp_path / "small.png", size=200, framing=Framing("whole")
    )
    assert again.drawn[0].size == (200, 200)


def test_wild_pictures_are_drawn(shared: Path, engine: Engine, tmp_path: Path) -> None:
    some = sorted((shared / "data" / "wild" / "people").iterdir())[::4]
    done = stylize_paths(some, engine, tmp_path / "out")
    assert not done.failures
    for drawn in done.drawn:
        assert drawn.found_face is not False
        with Image.open(drawn.source) as photo:
            assert drawn.size in (photo.size, (128, 128))


@pytest.mark.parametrize("side", [40.0, 130.0, 300.0, 700.0])
def test_a_face_of_any_size_goes_back_to_the_pixel(side: float) -> None:
    """An engine that changes nothing moves nothing: the best shift of the result is none."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (60, 60, 3), dtype=np.uint8))
    picture = coarse.resize((1200, 1200), Image.Resampling.BICUBIC)
    face = FaceBox(600 - side / 2, 600 - side / 2, side)
    result = draw_whole(picture, Copy(), [face], "keep", mend_light=False).astype(float)
    half = max(8, int(0.4 * side))
    inner = slice(600 - half, 600 + half)
    photo = np.asarray(picture, float)
    still = np.abs(result[inner, inner] - photo[inner, inner]).mean()
    for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        moved = photo[600 - half + down : 600 + half + down, 600 - half + right : 600 + half + right]
        assert still < np.abs(result[inner, inner] - moved).mean()

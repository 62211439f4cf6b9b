"""Portraits of tilted heads: drawn level and turned back to where they were."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from base_models.registry import create_model
from fewshot.inference.detection import FaceBox
from fewshot.inference.levelling import LEAST_ROLL, head_roll, stylize_level
from fewshot.inference.stylize import stylize_paths
from fewshot.inference.torch_engine import TorchEngine

HEAD = (224, 106)


class Copies:
    """Draws what it is shown, and keeps its sizes."""

    base_name, base_sha256, size, multiple = "copies", "", 64, 16

    def __init__(self) -> None:
        self.styles: tuple[tuple[str, float], ...] = ()
        self.shown: list[tuple[int, ...]] = []

    def draw(self, images: np.ndarray) -> np.ndarray:
        self.shown.append(images.shape)
        return images.copy()

    def stylize(self, images: np.ndarray) -> np.ndarray:
        return self.draw(images)


def head(turn: float = 0.0, side: int = 128) -> Image.Image:
    """The astronaut, whose eye line sinks by `turn` degrees to the right."""
    turned = Image.fromarray(data.astronaut()).rotate(-turn, Image.Resampling.BICUBIC, center=HEAD)
    # So close that no corner reaches over the picture's edge, however it is turned.
    box = (HEAD[0] - 74, HEAD[1] - 74, HEAD[0] + 74, HEAD[1] + 74)
    return turned.crop(box).resize((side, side), Image.Resampling.LANCZOS)


def pixels(*images: Image.Image) -> np.ndarray:
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in images])


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.mark.parametrize("shape", [(64, 64), (64, 96), (96, 64)])
@pytest.mark.parametrize("roll", [-45.0, -12.0, 7.5, 30.0])
def test_what_is_turned_comes_back_to_its_place(shape: tuple[int, int], roll: float) -> None:
    images = pixels(head(side=96))[:, :, : shape[0], : shape[1]]
    engine = Copies()
    drawn = stylize_level(engine, images, [roll])
    assert drawn.shape == images.shape
    moved = np.roll(images, 1, axis=3)
    assert apart(drawn, images) < 0.35 * apart(moved, images)
    _, _, height, width = engine.shown[-1]
    assert height % 16 == width % 16 == 0
    assert height * width > shape[0] * shape[1]


def test_level_heads_are_drawn_together_and_as_they_are() -> None:
    images = pixels(head(side=64), head(20, 64), head(side=64))
    engine = Copies()
    drawn = stylize_level(engine, images, [0.0, 20.0, -0.9 * LEAST_ROLL])
    assert engine.shown[0] == (2, 3, 64, 64)
    assert np.array_equal(drawn[[0, 2]], images[[0, 2]])
    assert not np.array_equal(drawn[1], images[1])
    assert stylize_level(engine, images[:0], []).shape == (0, 3, 64, 64)


@pytest.mark.parametrize("roll", [6.0, -11.0, 45.0])
def test_white_paper_stays_white_to_its_corners(roll: float) -> None:
    paper = np.full((1, 3, 64, 64), 255, np.uint8)
    assert stylize_level(Copies(), paper, [roll]).min() == 255


def test_heads_that_lean_together_are_left_as_they_are() -> None:
    box = (0, 0, 400, 400)
    one, other = FaceBox(40, 100, 150, 20.0), FaceBox(210, 110, 140, -20.0)
    assert head_roll([], box) == 0
    assert head_roll([one], box) == head_roll([one, FaceBox(600, 110, 140, -20.0)], box) == 20
    assert head_roll([one, FaceBox(210, 110, 140, 15.0)], box) == 20
    assert head_roll([one, other], box) == head_roll([one, FaceBox(210, 110, 140, 0.0)], box) == 0


def test_every_picture_needs_its_roll() -> None:
    with pytest.raises(ValueError, match="a roll for each of 1"):
        stylize_level(Copies(), pixels(head(side=64)), [1.0, 2.0])


@pytest.fixture(scope="module")
def engine() -> TorchEngine:
    return TorchEngine(create_model("scan_128.anime"))


def unlike(drawing: np.ndarray, other: np.ndarray) -> float:
    """1 less the correlation of the lines in the middle of two drawings."""
    sides = []
    for picture in (drawing, other):
        grey = picture[0].mean(0).astype(np.float32)[24:104, 24:104]
        lines = cv2.GaussianBlur(grey, (0, 0), 1) - cv2.GaussianBlur(grey, (0, 0), 4)
        sides.append(lines.ravel())
    return float(1 - np.corrcoef(sides)[0, 1])


@pytest.mark.parametrize("turn", [-35, -25, 25, 35])
def test_a_tilted_head_is_drawn_like_the_level_one(engine: TorchEngine, turn: int) -> None:
    """The level head's drawing, turned as the head is, is what the tilted one's should be."""
    level = Image.fromarray(engine.stylize(pixels(head()))[0].transpose(1, 2, 0))
    wanted = pixels(level.rotate(-turn, Image.Resampling.BICUBIC))
    tilted = pixels(head(turn))
    ours = unlike(stylize_level(engine, tilted, [float(turn)]), wanted)
    assert ours < 0.85 * unlike(engine.stylize(tilted), wanted)


def test_stylize_levels_what_the_detector_finds_tilted(engine: TorchEngine, tmp_path: Path) -> None:
    drawn = {}
    for turn in (0, -30):
        head(turn, 256).save(tmp_path / f"{turn}.png")
        stylize_paths([tmp_path / f"{turn}.png"], engine, tmp_path / f"{turn}-drawn.png")
        drawn[turn] = Image.open(tmp_path / f"{turn}-drawn.png")
    assert drawn[-30].size == drawn[0].size
    wanted = pixels(drawn[0].rotate(30, Image.Resampling.BICUBIC))
    assert unlike(pixels(drawn[-30]), wanted) < 0.85 * unlike(engine.stylize(pixels(head(-30))), wanted)

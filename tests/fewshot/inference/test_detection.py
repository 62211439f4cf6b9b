"""Faces in photos: both detectors on real pictures of people, and on animals."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from eval.errors import MissingWeightsError
from eval.weight_files import weights_folder
from fewshot.data.faces import YUNET, FaceFinder
from fewshot.errors import BadInputError
from fewshot.inference.detection import CascadeDetector, FaceBox, FaceDetector, YuNetDetector, open_detector


@pytest.fixture(scope="module")
def yunet(shared: Path) -> YuNetDetector:
    return YuNetDetector(FaceFinder(shared / "weights" / YUNET.name))


def wild(shared: Path, kind: str) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted((shared / "data" / "wild" / kind).iterdir())]


def inside(face: FaceBox, other: FaceBox) -> bool:
    """Whether the centre of one box is well within another."""
    return all(abs(a - b) < 0.4 * other.side for a, b in zip(face.centre, other.centre, strict=True))


def test_yunet_finds_every_person_and_the_cascades_nearly_every(shared: Path, yunet: YuNetDetector) -> None:
    people = wild(shared, "people")
    true = [yunet.faces(image) for image in people]
    assert all(true)
    found = [CascadeDetector().faces(image) for image in people]
    right = [bool(ours) and inside(ours[0], theirs[0]) for ours, theirs in zip(found, true, strict=True)]
    assert np.mean(right) >= 0.85
    ratios = [ours[0].side / theirs[0].side for ours, theirs in zip(found, true, strict=True) if ours]
    assert 0.9 < np.median(ratios) < 1.1


def test_hardly_an_animal_is_taken_for_a_person(shared: Path, yunet: YuNetDetector) -> None:
    animals = wild(shared, "no_face")
    detectors: tuple[FaceDetector, ...] = (yunet, CascadeDetector())
    for detector in detectors:
        assert sum(bool(detector.faces(image)) for image in animals) <= 1


def test_several_faces_come_largest_first() -> None:
    astronaut = Image.fromarray(data.astronaut())
    both = Image.new("RGB", (900, 520), "grey")
    both.paste(astronaut.resize((380, 380)), (0, 40))
    both.paste(astronaut, (388, 4))
    faces = CascadeDetector().faces(both)
    assert len(faces) == 2
    assert faces[0].left > 388 > faces[1].left
    assert faces[0].scaled(0.5).centre == tuple(value / 2 for value in faces[0].centre)


def test_a_turned_head_tells_its_tilt(yunet: YuNetDetector) -> None:
    astronaut = Image.fromarray(data.astronaut())
    (upright, *_), (turned, *_) = yunet.faces(astronaut), yunet.faces(astronaut.rotate(-20))
    # YuNet is drawn to upright faces and tells about half of the tilt at one look.
    assert 8 < turned.roll - upright.roll < 24


@pytest.mark.parametrize("turn", [-35, -20, 10, 25, 35])
def test_the_cascades_find_a_tilted_head_and_tell_its_tilt(turn: int) -> None:
    # Cut about the head, as selfies are: of a whole person much else would be turned into the picture.
    head = Image.fromarray(data.astronaut()).crop((90, 0, 360, 270))
    (upright,) = CascadeDetector().faces(head)
    (tilted,) = CascadeDetector().faces(head.rotate(-turn, Image.Resampling.BICUBIC))
    assert tilted.roll - upright.roll == pytest.approx(turn, abs=6)
    assert inside(tilted, upright)


def test_without_weights_the_cascades_are_used_and_nothing_is_fetched(
    shared: Path, fewshot_home: Path, tmp_path: Path
) -> None:
    assert isinstance(open_detector(), CascadeDetector)
    known = shared / "weights" / YUNET.name
    assert isinstance(open_detector(known), YuNetDetector)
    weights_folder().mkdir(parents=True)
    (weights_folder() / YUNET.name).write_bytes(known.read_bytes())
    assert isinstance(open_detector(), YuNetDetector)
    with pytest.raises(MissingWeightsError):
        open_detector(tmp_path / "none.onnx")
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(BadInputError, match="not a detector"):
        open_detector(tmp_path / "no.onnx")

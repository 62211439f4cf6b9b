"""Face detectors: the same points in a scaled, mirrored and shifted picture, and helpful errors."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

from eval.errors import MissingWeightsError
from fewshot.data.faces import DrawnFaceFinder, FaceFinder, FaceLandmarks, resize
from fewshot.data.packs import load_pack
from fewshot.errors import BadInputError


@pytest.fixture(scope="module")
def finder(shared: Path) -> FaceFinder:
    return FaceFinder(shared / "weights" / "face_detection_yunet.onnx")


@pytest.fixture(scope="module")
def drawn(shared: Path) -> DrawnFaceFinder:
    return DrawnFaceFinder(shared / "weights" / "lbpcascade_animeface.xml")


def points(face: FaceLandmarks | None) -> NDArray[np.float64]:
    assert face is not None
    return np.array([face.left_eye, face.right_eye, face.nose, face.left_mouth, face.right_mouth])


def test_a_known_face_is_where_it_is(finder: FaceFinder) -> None:
    found = finder.landmarks(astronaut())
    # Read off the picture by eye.
    seen = np.array([(205, 101), (242, 103), (223, 125), (206, 141), (241, 143)])
    assert np.abs(points(found) - seen).max() < 8
    assert found is not None
    assert found.score > 0.8
    assert found.eyes[1] < found.nose[1] < found.mouth[1]


def test_points_follow_the_picture(finder: FaceFinder) -> None:
    picture = np.ascontiguousarray(astronaut()[:256, 96:352])
    plain = points(finder.landmarks(picture))
    mirrored = points(finder.landmarks(np.ascontiguousarray(picture[:, ::-1])))
    mirrored[:, 0] = 256 - mirrored[:, 0]
    assert np.abs(mirrored[[1, 0, 2, 4, 3]] - plain).max() < 6
    assert np.abs(points(finder.landmarks(resize(picture, 2))) / 2 - plain).max() < 3
    moved = points(finder.landmarks(np.roll(picture, 20, axis=1)))
    assert np.abs(moved - plain - (20, 0)).max() < 6


def test_the_largest_of_several_faces_comes_first(finder: FaceFinder) -> None:
    face = astronaut()[40:200, 144:304]
    canvas = np.full((256, 320, 3), 128, np.uint8)
    canvas[8:88, 8:88] = cv2.resize(face, (80, 80), interpolation=cv2.INTER_AREA)
    canvas[64:224, 140:300] = face
    faces = finder.all_landmarks(canvas, side=320)
    assert [face.nose[0] > 140 for face in faces] == [True, False]


def test_nothing_is_found_in_nothing(finder: FaceFinder, drawn: DrawnFaceFinder) -> None:
    plain = np.full((128, 96, 3), 90, np.uint8)
    assert finder.landmarks(plain) is None
    assert drawn.face(plain) is None


def test_most_real_faces_are_found(shared: Path, finder: FaceFinder, drawn: DrawnFaceFinder) -> None:
    photos = load_pack(shared / "data" / "photos_lfw_112.tar", 112, limit=30).pixels.transpose(0, 2, 3, 1)
    assert sum(finder.landmarks(photo) is not None for photo in photos) >= 29
    drawings = load_pack(shared / "data" / "anime_96.tar", 96, limit=30).pixels.transpose(0, 2, 3, 1)
    boxes = [drawn.face(drawing) for drawing in drawings]
    assert sum(box is not None for box in boxes) >= 28
    middles = [(box.left + box.side / 2, box.top + box.side / 2) for box in boxes if box]
    assert np.abs(np.median(middles, axis=0) - 48).max() < 6


def test_a_missing_weight_file_names_the_three_ways(tmp_path: Path) -> None:
    for make in (FaceFinder, DrawnFaceFinder):
        with pytest.raises(MissingWeightsError, match=r"no\.file") as caught:
            make(tmp_path / "no.file")
        assert all(word in caught.value.hint for word in ("path", "FEWSHOT_HOME", "https://", "sha256"))


def test_a_network_that_finds_no_faces_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 64, 64])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3, 64, 64])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [value], [result])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 12)]), path)
    with pytest.raises(BadInputError, match=r"other\.onnx is not a detector"):
        FaceFinder(path)


@pytest.mark.parametrize("finder", [FaceFinder, DrawnFaceFinder])
def test_a_wrong_file_is_named_with_the_right_one(
    finder: type[FaceFinder] | type[DrawnFaceFinder], tmp_path: Path
) -> None:
    path = tmp_path / "detector.onnx"
    path.write_text("no detector", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"detector\.onnx is not a detector") as caught:
        finder(path)
    assert "expected" in caught.value.hint

"""Extractors: shapes, determinism, weights and their errors; and that they tell real artists apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from skimage.color import rgb2lab
from torchvision.models import squeezenet1_0

from eval import pretrained
from eval.colour_edge import rgb_to_lab
from eval.distances import kid
from eval.errors import EvalError, MissingWeightsError, UnknownNameError, WeightsMismatchError
from eval.features import extract, get_extractor, list_extractors
from eval.random_features import disc_pictures
from eval.weight_files import WeightFile, find_weights

FREE = ["random", "colour-edge"]


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Six synthetic pictures, uint8 (6, 3, 96, 96)."""
    return (disc_pictures(6, 96, seed=3, discs=20) * 255).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("name", FREE)
def test_features_are_finite_deterministic_and_independent_of_the_batch(
    name: str, pictures: np.ndarray
) -> None:
    extractor = get_extractor(name)
    features = extract(extractor, pictures)
    assert features.shape == (6, extractor.dim)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert len(np.unique(features.round(3), axis=0)) == 6
    assert np.allclose(features, extract(extractor, pictures, batch=4), atol=1e-4)
    assert np.allclose(features[::-1], extract(get_extractor(name), pictures[::-1].copy()), atol=1e-4)
    assert len(extractor.sha256) == 64
    assert "128x128" in extractor.resize
    assert extractor.standardised
    assert extract(extractor, pictures[:0]).shape == (0, extractor.dim)
    assert 0.1 < (features**2).mean() < 4, "far from one, KID's kernel would see one of its terms only"


@pytest.mark.parametrize("name", FREE)
def test_any_shape_of_picture_and_flat_ones_give_finite_features(name: str) -> None:
    extractor = get_extractor(name)
    for shape in ((1, 3, 16, 16), (2, 3, 40, 300), (1, 3, 250, 200)):
        assert torch.isfinite(extractor(torch.rand(shape))).all()
    for value in (0.0, 1.0):
        assert torch.isfinite(extractor(torch.full((1, 3, 64, 64), value))).all()


def test_random_features_ignore_the_global_seed_and_dtype() -> None:
    from eval import random_features

    before = random_features.RandomEnsemble().members[1].get_buffer("filters0").clone()
    torch.manual_seed(99)
    torch.set_default_dtype(torch.float64)
    try:
        after = random_features.RandomEnsemble().members[1].get_buffer("filters0")
    finally:
        torch.set_default_dtype(torch.float32)
    assert after.dtype == torch.float32
    assert torch.equal(before, after)
    assert after.std().item() == pytest.approx((2 / 75) ** 0.5, rel=0.05)


def test_lab_matches_scikit_image(pictures: np.ndarray) -> None:
    theirs = rgb2lab(pictures[0].transpose(1, 2, 0)).transpose(2, 0, 1)
    ours = rgb_to_lab(torch.from_numpy(pictures[:1]).float() / 255)[0].numpy()
    assert np.abs(ours - theirs).max() < 0.02


@pytest.mark.parametrize(
    ("name", "hint"), [("randm", "'random'"), ("color-edge", "'colour-edge'"), ("zzz", "one of")]
)
def test_unknown_names_get_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_extractor(name)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 4


def test_every_listed_name_is_known_and_described() -> None:
    assert next(iter(list_extractors())) == "random"
    known = {
        "random",
        "random-steering",
        "colour-edge",
        "perceptual",
        "squeezenet",
        "inception",
        "timm:<model>",
    }
    assert known == set(list_extractors())
    assert get_extractor("random").sha256 != get_extractor("random-steering").sha256


def test_wrong_input_is_named(pictures: np.ndarray) -> None:
    extractor = get_extractor("colour-edge")
    for wrong in (pictures.astype(np.float32), pictures[0], pictures.transpose(0, 2, 3, 1)):
        with pytest.raises(EvalError, match="uint8 pictures"):
            extract(extractor, wrong)
    with pytest.raises(EvalError, match="float pictures"):
        extractor(torch.from_numpy(pictures))
    with pytest.raises(EvalError, match="takes no weight file"):
        get_extractor("random", weights=Path("x"))


def test_timm_model_from_a_file_equals_timm(tmp_path: Path, pictures: np.ndarray) -> None:
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", pretrained=False).eval()
    file = tmp_path / "test_resnet.pth"
    torch.save(model.state_dict(), file)
    extractor = get_extractor("timm:test_resnet", weights=file)
    size = timm.data.resolve_model_data_config(model)["input_size"][-1]
    sized = torch.rand(2, 3, size, size)
    config = timm.data.resolve_model_data_config(model)
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    model.reset_classifier(0)
    with torch.inference_mode():
        expected = model((sized - mean) / std)
    assert torch.allclose(extractor(sized), expected, atol=1e-5)
    assert extract(extractor, pictures).shape == (6, expected.shape[1])
    assert extractor.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert not extractor.standardised
    with pytest.raises(WeightsMismatchError, match="not a timm test_vit"):
        get_extractor("timm:test_vit", weights=file)
    with pytest.raises(UnknownNameError, match="test_resnot"):
        get_extractor("timm:test_resnot", weights=file)


def test_squeezenet_taps_are_those_of_the_whole_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = squeezenet1_0(weights=None).eval()
    file = tmp_path / "squeeze.pth"
    torch.save(model.state_dict(), file)
    images = torch.rand(2, 3, 128, 128)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        maps = [model.features[: stop + 1]((images - mean) / std).flatten(2) for stop in (1, 4, 7, 9)]
        expected = torch.cat([p for m in maps for p in (m.mean(2), m.std(2, unbiased=False))], 1)
    assert [m.shape[1] for m in maps] == [96, 128, 256, 384]
    assert torch.allclose(get_extractor("squeezenet", weights=file)(images), expected, atol=1e-5)


def test_perceptual_is_the_pooled_shipped_network() -> None:
    from eval.perceptual import WEIGHTS, load_perceptual

    if not WEIGHTS.exists():
        pytest.skip("this checkout has no perceptual weights yet")
    images = torch.rand(2, 3, 128, 128)
    extractor = get_extractor("perceptual")
    with torch.inference_mode():
        first = load_perceptual()(images)[0]
    assert torch.allclose(extractor(images)[:, : first.shape[1]], first.mean((2, 3)), atol=1e-5)


def test_absent_weights_name_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWSHOT_HOME", str(tmp_path))
    url = "http://127.0.0.1:9/weights.pth"
    unreachable = replace(pretrained.INCEPTION, url=url)
    monkeypatch.setattr(pretrained, "INCEPTION", unreachable)
    with pytest.raises(MissingWeightsError) as caught:
        get_extractor("inception")
    for way in (
        "weights=FILE",
        str(tmp_path / "cache" / "weights"),
        "FEWSHOT_HOME",
        url,
        str(unreachable.sha256),
    ):
        assert way in caught.value.hint
    assert not list((tmp_path / "cache" / "weights").iterdir())
    with pytest.raises(MissingWeightsError, match="nowhere"):
        get_extractor("squeezenet", weights=tmp_path / "nowhere")


def test_downloads_are_checked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWSHOT_HOME", str(tmp_path / "home"))
    source = tmp_path / "w.bin"
    source.write_bytes(b"weights")
    wanted = WeightFile("w.bin", source.as_uri(), hashlib.sha256(b"weights").hexdigest())
    kept = find_weights(wanted)
    source.unlink()
    assert find_weights(wanted) == kept
    assert kept.read_bytes() == b"weights"
    kept.write_bytes(b"weightz")
    with pytest.raises(WeightsMismatchError, match="expected"):
        find_weights(wanted)
    kept.unlink()
    source.write_bytes(b"other")
    with pytest.raises(WeightsMismatchError, match="download"):
        find_weights(wanted)
    assert not list(kept.parent.iterdir())


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    file, marker = tmp_path / "evil.pth", tmp_path / "ran"
    torch.save({"x": _Evil(marker)}, file)
    with pytest.raises(WeightsMismatchError, match="not a readable weight file"):
        get_extractor("inception", weights=file)
    assert not marker.exists()


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.marker,))


def test_inception_is_torch_fidelitys(
    tmp_path: Path, pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    file = tmp_path / "inception.pth"
    torch.save(_inception_state(theirs), file)
    reference = theirs.FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(file))
    with torch.inference_mode():
        (expected,) = reference(torch.from_numpy(pictures[:2]))
    assert np.allclose(
        extract(get_extractor("inception", weights=file), pictures[:2]), expected.numpy(), atol=1e-5
    )


def _inception_state(module: object) -> dict[str, torch.Tensor]:
    """Random weights of torch-fidelity's layout, whose class cannot be built without a file."""
    torch.manual_seed(0)
    cls = module.FeatureExtractorInceptionV3  # type: ignore[attr-defined]
    blank = type("Blank", (cls,), {"load_state_dict": lambda self, state: None})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", lambda *a, **k: {})
        return dict(blank("x", ["2048"], feature_extractor_weights_path="none").state_dict())


@pytest.mark.parametrize("name", FREE)
def test_kid_between_halves_of_an_artist_is_far_below_kid_between_artists(
    name: str, artist_features: Callable[[str], dict[str, np.ndarray]]
) -> None:
    """Median over artists: half against half is less than a tenth of one artist against another."""
    features = {artist: rows for artist, rows in artist_features(name).items() if len(rows) >= 20}
    within = [abs(kid(rows[::2], rows[1::2])) for rows in features.values()]
    between = [kid(features[a], features[b]) for a in features for b in features if a < b]
    assert np.median(within) < 0.1 * np.median(between)

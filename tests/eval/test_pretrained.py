"""Extractors with weights give what their own libraries give."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torchvision.models import squeezenet1_0

from eval.errors import UnknownNameError, WeightsMismatchError
from eval.features import extract, get_extractor
from eval.random_features import disc_pictures


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Six synthetic pictures, uint8 (6, 3, 96, 96)."""
    return (disc_pictures(6, 96, seed=3, discs=20) * 255).round().to(torch.uint8).numpy()


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


def test_inception_is_torch_fidelitys_from_the_file_to_the_number(
    tmp_path: Path, pictures: np.ndarray, inception_weights: Path
) -> None:
    """Against their own reading, resize and network, on files of 96, 256 and 320 px."""
    from torch_fidelity import utils as theirs
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    pin = hashlib.sha256(inception_weights.read_bytes()).hexdigest()
    ours = get_extractor("inception", weights=inception_weights, sha256=pin)
    reference = FeatureExtractorInceptionV3(
        "inception", ["2048"], feature_extractor_weights_path=str(inception_weights)
    )
    for side in (96, 256, 320):
        folder = tmp_path / str(side)
        folder.mkdir()
        squares = [Image.fromarray(p.transpose(1, 2, 0)).resize((side, side)) for p in pictures[:3]]
        for number, square in enumerate(squares):
            square.save(folder / f"{number}.png")
        expected = theirs.extract_featuresdict_from_input_id(
            1, reference, input1=str(folder), batch_size=3, cuda=False, save_cpu_ram=True, verbose=False
        )["2048"].numpy()
        found = extract(ours, np.stack([np.asarray(s).transpose(2, 0, 1) for s in squares]))
        assert 0.1 < expected.std() < 10, "features near zero would agree with anything"
        assert np.abs(expected[0] - expected[1]).max() > 0.05
        assert np.allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert ours.sha256 == pin
    assert ours.standardised


def test_inception_takes_no_other_file_unless_it_is_meant(tmp_path: Path, inception_weights: Path) -> None:
    with pytest.raises(WeightsMismatchError, match="expected 6726825d0af5") as caught:
        get_extractor("inception", weights=inception_weights)
    assert "--sha256" in caught.value.hint
    file = tmp_path / "squeeze.pth"
    torch.save(squeezenet1_0(weights=None).state_dict(), file)
    pin = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(WeightsMismatchError, match="not torch-fidelity's InceptionV3"):
        get_extractor("inception", weights=file, sha256=pin)

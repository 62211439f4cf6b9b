"""The shipped perceptual network: shapes, folding, the file's integrity, and what its card says."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from eval.errors import MissingWeightsError, WeightsMismatchError
from eval.perceptual import (
    CHANNELS,
    LAYERS,
    WEIGHTS,
    PerceptualNet,
    load_perceptual,
    style_statistics,
)


def pictures(count: int, size: int) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [32, 63, 128])
def test_maps_have_squeezenets_channels_and_grid(size: int) -> None:
    net = load_perceptual()
    maps = net(pictures(2, size))
    first = (size - 7) // 2 + 1
    second = -(-(first - 3) // 2) + 1
    third = -(-(second - 3) // 2) + 1
    assert [tuple(m.shape) for m in maps] == [
        (2, channels, side, side)
        for channels, side in zip(CHANNELS, (first, second, third, third), strict=True)
    ]
    assert all(m.min() >= 0 and m.max() > 0 for m in maps)
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_gradients_reach_the_picture() -> None:
    x = pictures(1, 32).requires_grad_(True)
    torch.stack([s.sum() for s in style_statistics(load_perceptual()(x))]).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0


def test_folding_keeps_the_function() -> None:
    torch.manual_seed(0)
    net = PerceptualNet(batch_norm=True)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
            module.running_mean = torch.randn(module.num_features)
            module.running_var = torch.rand(module.num_features) + 0.5
    net.eval()
    folded = net.fold()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        for ours, theirs in zip(folded(pictures(2, 64)), net(pictures(2, 64)), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("place", [0.0, 0.0001, 0.2, 0.6, 0.999])
def test_a_flipped_byte_is_noticed(tmp_path: Path, place: float) -> None:
    path = tmp_path / WEIGHTS.name
    data = bytearray(WEIGHTS.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsMismatchError) as error:
        load_perceptual(path)
    assert error.value.exit_code == 6
    assert "distill" in error.value.hint


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="missing"):
        load_perceptual(tmp_path / "perceptual.safetensors")
    foreign = tmp_path / "foreign.safetensors"
    shutil.copy(Path(__file__), foreign)
    with pytest.raises(WeightsMismatchError, match="cannot be read"):
        load_perceptual(foreign)


def test_style_statistics_are_mean_and_deviation_of_each_channel() -> None:
    maps = [torch.stack([torch.full((2, 2), 3.0), torch.tensor([[0.0, 2.0], [0.0, 2.0]])])[None]]
    (statistics,) = style_statistics(maps)
    assert statistics.shape == (1, 4)
    assert statistics[0].tolist() == pytest.approx([3, 1, 1e-5**0.5, (1 + 1e-5) ** 0.5])


def test_the_card_says_what_the_file_holds() -> None:
    card = WEIGHTS.with_suffix(".md").read_text()
    with safe_open(WEIGHTS, "pt") as file:
        facts = json.loads(file.metadata()["perceptual"])
    parameters = sum(parameter.numel() for parameter in PerceptualNet().parameters())
    assert f"{parameters:,} parameters" in card
    assert f"{WEIGHTS.stat().st_size / 1e6:.2f} MB" in card
    assert f"{facts['pictures']:,} pictures" in card
    assert f"--minutes {facts['minutes']:g}" in card
    assert facts["sha256"] in card
    assert facts["teacher"] in card
    assert [re.search(rf"\| {layer} \| (\.\d+) \|", card) is not None for layer in LAYERS] == [True] * 4

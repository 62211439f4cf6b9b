"""The generator: shapes, sizes, switches and what adaptive fusion promises."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from base_models.architectures import ARCHITECTURES, Architecture, StageSpec
from base_models.blocks import InstanceNorm, SubPixel, thumbnail
from base_models.checkpoint import build_discriminator, build_networks
from base_models.counts import count_macs, count_parameters
from base_models.scan import AdaptiveFusion, RefinementStage, StackedGenerator, init_weights

README = Path(__file__).resolve().parents[2] / "base_models" / "README.md"
COUNTS = {
    "scan_tiny": (8_965, 1_259_136),
    "scan_64": (2_225_425, 717_158_400),
    "scan_128": (3_095_073, 1_715_235_840),
    "scan_256": (4_028_705, 2_975_195_136),
    "scan_paper_256": (16_460_103, 56_290_381_824),
}


def meta(name: str) -> StackedGenerator:
    with torch.device("meta"):
        return build_networks(ARCHITECTURES[name])[0]


def pictures(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def small(*sizes: int, fusion: bool = True, skip: bool = True) -> StackedGenerator:
    torch.manual_seed(0)
    stages = [StageSpec(size=size, width=4, trunk=8, blocks=1, downs=1, kernel=3) for size in sizes]
    net = StackedGenerator(stages, fusion=fusion, skip=skip)
    init_weights(net, std=0.2)
    return net.eval()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_stage_of_every_architecture_has_its_own_size(name: str) -> None:
    net = meta(name)
    results = net.forward_all(torch.empty(2, 3, net.size, net.size, device="meta"))
    assert [tuple(r.shape) for r in results] == [
        (2, 3, stage.size, stage.size) for stage in ARCHITECTURES[name].stages
    ]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_counts_are_what_we_say(name: str) -> None:
    net = meta(name)
    assert (count_parameters(net), count_macs(net, net.size)) == COUNTS[name]


def test_scan_256_keeps_within_its_budget() -> None:
    parameters, macs = COUNTS["scan_256"]
    assert parameters <= 6e6
    assert macs <= 3.2e9


def test_macs_of_one_convolution_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))
    assert count_macs(net, 16) == 8 * 8 * 8 * (3 * 9) + 8 * 8 * 2 * 8
    assert net[0].weight.device.type == "cpu"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_readme_states_these_counts(name: str) -> None:
    row = next(line for line in README.read_text().splitlines() if line.startswith(f"| `{name}`"))
    numbers = [cell.strip() for cell in row.split("|")]
    parameters, macs = COUNTS[name]
    assert f"{parameters:,}" in numbers
    assert f"{macs / 1e9:.3f}" in numbers


def test_cards_of_shipped_weights_state_their_counts() -> None:
    cards = sorted((README.parent / "weights").glob("scan_*.md"))
    for card in cards:
        parameters, macs = COUNTS[card.stem.split(".")[0]]
        text = card.read_text()
        assert f"{parameters:,}" in text
        stated = re.search(r"([\d.]+) GMACs", text)
        assert stated is not None
        assert abs(float(stated[1]) - macs / 1e9) < 0.001


@pytest.mark.parametrize("sizes", [(8,), (8, 16), (8, 16, 32), (8, 16, 32, 64)])
def test_any_number_of_stages(sizes: tuple[int, ...]) -> None:
    net = small(*sizes)
    results = net.forward_all(pictures(2, sizes[-1]))
    assert [r.shape[-1] for r in results] == list(sizes)
    assert all(r.abs().max() <= 1 for r in results)
    x = pictures(2, sizes[0])
    assert torch.equal(net.forward_first(x, 1), net.stages[0](x))


@pytest.mark.parametrize("sizes", [(), (8, 24), (16, 8)])
def test_stages_have_to_double(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="stage"):
        small(*sizes)


def test_height_and_width_may_be_any_common_multiple() -> None:
    for name in ("scan_tiny", "scan_128"):
        net = meta(name)
        height, width = 3 * net.multiple, 2 * net.multiple
        assert net(torch.empty(1, 3, height, width, device="meta")).shape == (1, 3, height, width)


def test_alpha_lies_between_zero_and_one_and_mixes_the_two() -> None:
    net = small(8, 16)
    x, below = pictures(2, 16), pictures(2, 16, seed=1)
    stage = net.stages[1]
    assert isinstance(stage, RefinementStage)
    assert isinstance(stage.fusion, AdaptiveFusion)
    above = stage.translation(torch.cat([x, below], 1))
    alpha = stage.fusion(x, below, above)
    assert alpha.shape == (2, 1, 16, 16)
    assert 0 < alpha.min() < alpha.max() < 1
    torch.testing.assert_close(stage(x, below), (1 - alpha) * below + alpha * above)


def test_without_fusion_the_translation_is_the_result() -> None:
    stage = small(8, 16, fusion=False).stages[1]
    assert isinstance(stage, RefinementStage)
    x, below = pictures(1, 16), pictures(1, 16, seed=1)
    assert stage.fusion is None
    assert torch.equal(stage(x, below), stage.translation(torch.cat([x, below], 1)))


def test_without_skip_and_fusion_a_stage_sees_only_the_one_below() -> None:
    stage = small(8, 16, fusion=False, skip=False).stages[1]
    below = pictures(1, 16, seed=1)
    assert torch.equal(stage(pictures(1, 16), below), stage(pictures(1, 16, seed=2), below))
    with_skip = small(8, 16, fusion=False).stages[1]
    assert not torch.equal(with_skip(pictures(1, 16), below), with_skip(pictures(1, 16, seed=2), below))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_survive_json(name: str) -> None:
    architecture = replace(ARCHITECTURES[name], skip=False)
    assert Architecture.from_dict(architecture.to_dict()) == architecture
    with pytest.raises(TypeError):
        Architecture.from_dict(architecture.to_dict() | {"new": 1})


def test_the_discriminator_judges_patches_of_seventy_pixels() -> None:
    net = build_discriminator(replace(ARCHITECTURES["scan_128"], ndf=4)).eval()
    assert net(pictures(2, 256)).shape == (2, 1, 30, 30)
    for index, module in enumerate(net.body):
        # InstanceNorm looks at the whole picture; the patch is that of the convolutions.
        if isinstance(module, nn.InstanceNorm2d):
            net.body[index] = nn.Identity()
    x = pictures(1, 128).requires_grad_(True)
    (gradient,) = torch.autograd.grad(net(x)[0, 0, 7, 7], x)
    rows, columns = gradient[0].abs().sum(0).nonzero().unbind(1)
    assert [int(side.max() - side.min()) + 1 for side in (rows, columns)] == [70, 70]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_our_norm_is_instance_norm(dtype: torch.dtype) -> None:
    ours, theirs = InstanceNorm(5), torch.nn.InstanceNorm2d(5, affine=True)
    for norm in (ours, theirs):
        torch.nn.init.normal_(norm.weight, generator=torch.Generator().manual_seed(1))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    x = (3 * pictures(2, 12)[:, :1] + torch.arange(5.0).view(1, 5, 1, 1) * pictures(2, 12, 1)[:, :1]).to(
        dtype
    )
    torch.testing.assert_close(ours(x), theirs(x.float()), rtol=1e-4, atol=1e-5)
    assert float(InstanceNorm(5, relu=True)(x).detach().min()) == 0


def test_a_modulated_norm_is_film_behind_instance_norm() -> None:
    ours, theirs = InstanceNorm(5, relu=True), torch.nn.InstanceNorm2d(5, affine=True)
    for norm in (ours, theirs):
        for parameter in norm.parameters():
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    x = torch.randn(2, 5, 6, 8, generator=torch.Generator().manual_seed(2))
    modulation = torch.randn(2, 10, 1, 1, generator=torch.Generator().manual_seed(3))
    gain, shift = modulation[:, :5], modulation[:, 5:]
    torch.testing.assert_close(ours(x, modulation), F.relu(theirs(x) * (1 + gain) + shift))
    torch.testing.assert_close(ours(x, 0 * modulation), ours(x))


def test_a_thumbnail_is_the_mean_colour_of_each_part() -> None:
    x = pictures(2, 12)
    seen = thumbnail(x, 4)
    assert seen is not None
    assert seen.shape == (2, 48, 1, 1)
    means = x.unfold(2, 3, 3).unfold(3, 3, 3).mean((-2, -1))
    torch.testing.assert_close(seen[..., 0, 0], means.flatten(1))
    assert thumbnail(x, 0) is None


def test_a_fresh_generator_is_blind_to_brightness_until_film_has_learned() -> None:
    net = small(8, 16)
    x = 0.5 * pictures(1, 16)
    torch.testing.assert_close(net.stages[0](0.5 * x + 0.3), net.stages[0](x), rtol=0, atol=1e-3)
    for name, parameter in net.named_parameters():
        if name.endswith("film.weight"):
            assert not parameter.any()
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    assert (net.stages[0](0.5 * x + 0.3) - net.stages[0](x)).abs().mean() > 0.1


def test_without_film_there_is_nothing_to_learn_it_with() -> None:
    spec = replace(ARCHITECTURES["scan_tiny"].stages[0], film=0)
    net = StackedGenerator([spec])
    assert not any("film" in name for name in net.state_dict())
    assert net(pictures(1, 16)).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_phases_that_disagree_leave_no_grid(factor: int) -> None:
    phases = torch.rand(1, 3 * factor**2, 1, 1, generator=torch.Generator().manual_seed(0))
    picture = SubPixel(factor)(phases.expand(-1, -1, 8, 8))
    assert picture.shape == (1, 3, 8 * factor, 8 * factor)
    inside = picture[..., factor:-factor, factor:-factor]
    assert float(inside.std(dim=(2, 3)).max()) < 1e-6


def test_phases_in_odd_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="factor is 3"):
        SubPixel(3)

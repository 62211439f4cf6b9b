"""What a base's parser finds in photos, what its decoders do with the answer, and that nothing trains it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from base_models.architectures import ARCHITECTURES, PARSER_WIDTH, PARTS
from base_models.blocks import ConvBlock
from base_models.checkpoint import build_networks
from base_models.photo_parser import PhotoParser, load_photo_parser, with_colours
from base_models.registry import CheckpointError, create_model, list_models
from eval import face_parsing
from fewshot.samples import SNAPSHOT
from fewshot.samples.face import FacePlan
from fewshot.samples.labels import draw_labelled


def snapshots(count: int, size: int = 64) -> tuple[Tensor, Tensor]:
    """Rendered snapshots of new persons in [-1, 1], and the part that fills most of each answer's cell."""
    made = [
        draw_labelled(SNAPSHOT, FacePlan.random(np.random.default_rng((5, i))), (5, i), size, PARTS)
        for i in range(count)
    ]
    photos = torch.from_numpy(np.stack([picture for picture, _ in made])).permute(0, 3, 1, 2).float()
    parts = F.one_hot(torch.from_numpy(np.stack([labels for _, labels in made])).long(), len(PARTS))
    return photos / 127.5 - 1, F.avg_pool2d(parts.permute(0, 3, 1, 2).float(), 2).argmax(1)


@pytest.fixture(scope="module")
def parser() -> PhotoParser:
    net = PhotoParser(PARSER_WIDTH)
    load_photo_parser(net)
    return net.eval().requires_grad_(False)


def test_parts_are_those_of_the_teacher() -> None:
    assert face_parsing.PARTS == PARTS


def test_it_finds_the_parts_of_persons_whose_parts_are_known(parser: PhotoParser) -> None:
    """On renderings, which it never saw, with upside-down ones as control."""
    photos, truth = snapshots(12)
    found = parser(photos)
    assert found.shape == (12, len(PARTS), 32, 32)
    torch.testing.assert_close(found.sum(1), torch.ones(12, 32, 32))
    right = float((found.argmax(1) == truth).float().mean())
    turned = float((parser(photos.flip(-2)).argmax(1) == truth).float().mean())
    assert right > 0.7
    assert turned < right - 0.2


def test_any_size_that_a_base_takes(parser: PhotoParser) -> None:
    assert parser(torch.zeros(1, 3, 20, 36)).shape == (1, len(PARTS), 10, 18)


def test_place_is_one_linear_map_of_the_parts_before_relu() -> None:
    block = ConvBlock(2, 3, parts=4)
    assert isinstance(block.place, nn.Conv2d)
    torch.nn.init.normal_(block.place.weight, generator=torch.Generator().manual_seed(0))
    x, parts = torch.rand(1, 2, 8, 8), torch.rand(1, 4, 4, 4)
    normal = F.instance_norm(block.conv(block.pad(x)))
    shares = F.interpolate(parts, (8, 8), mode="bilinear")
    maps = torch.einsum("oi,bihw->bohw", block.place.weight[:, :, 0, 0], shares)
    expected = F.relu(normal * (1 + maps[:, :3]) + maps[:, 3:])
    torch.testing.assert_close(block(x, None, parts), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(block(x), F.relu(normal), rtol=1e-4, atol=1e-5)


def test_each_part_has_one_colour_that_of_the_photo() -> None:
    parts = torch.zeros(2, 3, 4, 6)
    parts[:, 0, :, :2], parts[:, 1, :, 2:] = 1, 1
    photos = torch.rand(2, 3, 4, 6) * 2 - 1
    shares, colours = with_colours(parts, photos).split([3, 9], 1)
    assert torch.equal(shares, parts)
    colours = colours.unflatten(1, (3, 3))
    for part, columns in ((0, slice(0, 2)), (1, slice(2, 6))):
        mean = photos[..., columns].mean((2, 3), keepdim=True).expand(-1, -1, 4, columns.stop - columns.start)
        torch.testing.assert_close(colours[:, part, :, :, columns], mean)
    # Neither where the part is not nor for a part that is nowhere.
    assert not colours[:, 0, :, :, 2:].any()
    assert not colours[:, 2].any()


def test_a_fresh_generator_does_not_heed_it_and_a_taught_one_does() -> None:
    torch.manual_seed(0)
    architecture = ARCHITECTURES["scan_tiny"]
    netG_A, netG_B = build_networks(architecture)
    assert netG_A.parser is not None
    assert netG_B.parser is None
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    deaf, _ = build_networks(replace(architecture, parser=0))
    deaf.load_state_dict({n: t for n, t in netG_A.state_dict().items() if n in deaf.state_dict()})
    torch.testing.assert_close(netG_A(x), deaf(x))
    for name, parameter in netG_A.named_parameters():
        if name.endswith("place.weight"):
            torch.nn.init.normal_(parameter)
    assert (netG_A(x) - deaf(x)).abs().mean() > 0.01


def test_nothing_trains_it() -> None:
    netG_A, _ = build_networks(ARCHITECTURES["scan_tiny"])
    assert netG_A.parser is not None
    netG_A(torch.rand(1, 3, 32, 32)).square().mean().backward()
    assert not any(p.requires_grad or p.grad is not None for p in netG_A.parser.parameters())
    assert all(p.grad is not None for n, p in netG_A.named_parameters() if n.endswith("place.weight"))


@pytest.mark.parametrize("name", [model.name for model in list_models() if model.path])
def test_shipped_bases_carry_the_shipped_one(name: str, parser: PhotoParser) -> None:
    carried = create_model(name).netG_A.parser
    assert carried is not None
    expected = parser.state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in carried.state_dict().items())


def test_a_registered_base_starts_with_the_trained_one(parser: PhotoParser) -> None:
    fresh = create_model("scan_64").netG_A.parser
    assert fresh is not None
    expected = parser.state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in fresh.state_dict().items())


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    for content in (None, b"no weights"):
        path = tmp_path / "photo_parser.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CheckpointError, match="photo_parser") as caught:
            load_photo_parser(PhotoParser(PARSER_WIDTH), path)
        assert "reinstall" in caught.value.hint
    with pytest.raises(CheckpointError):
        load_photo_parser(PhotoParser(4))

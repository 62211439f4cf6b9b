"""The engine: shapes, determinism, blends and the base it belongs to."""

from collections.abc import Callable

import pytest
import torch

from base_models.registry import create_model
from fewshot.adapters.adapter import Adapter
from fewshot.errors import IntegrityError, UsageError
from fewshot.inference.engine import Engine

MakeStyle = Callable[..., Adapter]


@pytest.fixture
def images() -> torch.Tensor:
    """Ten random pictures of the tiny model's size."""
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (10, 3, 32, 32), dtype=torch.uint8, generator=generator)


def test_a_style_at_zero_is_the_base(make_style: MakeStyle, images: torch.Tensor) -> None:
    make_style("ink")
    base = Engine.from_names([], base="scan_tiny").stylize(images)
    assert torch.equal(Engine.from_names(["ink:0"]).stylize(images), base)
    assert not torch.equal(Engine.from_names(["ink"]).stylize(images), base)


def test_the_engine_draws_what_the_network_draws(images: torch.Tensor) -> None:
    model = create_model("scan_tiny")
    with torch.inference_mode():
        expected = ((model.netG_A(images.float() / 127.5 - 1) + 1) * 127.5).round().to(torch.uint8)
    drawn = Engine(model).stylize(images)
    assert (drawn.int() - expected.int()).abs().max() <= 1
    assert drawn.float().std() > 1


def test_blending_is_independent_of_the_order(make_style: MakeStyle, images: torch.Tensor) -> None:
    make_style("ink", seed=1)
    make_style("oil", seed=2)
    one = Engine.from_names(["ink:0.6", "oil:0.4"])
    other = Engine.from_names(["oil:0.4", "ink:0.6"])
    assert torch.equal(one.stylize(images), other.stylize(images))
    assert not torch.equal(one.stylize(images), Engine.from_names(["ink:0.6"]).stylize(images))
    assert one.styles == (("ink", 0.6), ("oil", 0.4))


def test_the_same_pictures_give_the_same_drawings(make_style: MakeStyle, images: torch.Tensor) -> None:
    make_style("ink")
    engine = Engine.from_names(["ink"])
    assert torch.equal(engine.stylize(images), engine.stylize(images))
    assert torch.equal(engine.stylize(images), Engine.from_names(["ink"]).stylize(images))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(32, 32, (32, 32)), (100, 100, (32, 32)), (20, 20, (32, 32)), (64, 128, (32, 64)), (90, 64, (44, 32))],
)
def test_pictures_are_brought_to_the_models_size(height: int, width: int, expected: tuple[int, int]) -> None:
    engine = Engine(create_model("scan_tiny"))
    drawn = engine.stylize(torch.zeros(1, 3, height, width, dtype=torch.uint8))
    assert drawn.dtype == torch.uint8
    assert tuple(drawn.shape[2:]) == expected


def test_no_picture_gives_no_drawing() -> None:
    drawn = Engine(create_model("scan_tiny")).stylize(torch.zeros(0, 3, 32, 32, dtype=torch.uint8))
    assert drawn.shape == (0, 3, 32, 32)


@pytest.mark.parametrize(
    "images", [torch.zeros(1, 3, 32, 32), torch.zeros(3, 32, 32, dtype=torch.uint8)], ids=str
)
def test_other_types_and_shapes_are_refused(images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        Engine(create_model("scan_tiny")).stylize(images)


def test_styles_of_two_bases_cannot_be_blended(make_style: MakeStyle) -> None:
    make_style("ink")
    make_style("oil", base_name="scan_128")
    with pytest.raises(IntegrityError, match=r"ink to scan_tiny, oil to scan_128") as caught:
        Engine.from_names(["ink", "oil"])
    assert caught.value.exit_code == 6


def test_a_given_base_must_be_that_of_the_style(make_style: MakeStyle) -> None:
    make_style("ink")
    with pytest.raises(IntegrityError, match="belongs to the base scan_tiny") as caught:
        Engine.from_names(["ink"], base="scan_128")
    assert "--base scan_tiny" in caught.value.hint


def test_neither_style_nor_base_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no style and no base"):
        Engine.from_names([])


def test_withdrawn_consent_stops_the_engine_too(make_style: MakeStyle) -> None:
    adapter = make_style("ink", consent="withdrawn")
    with pytest.raises(IntegrityError, match="consent is withdrawn"):
        Engine(create_model("scan_tiny"), [(adapter, 0.0)])

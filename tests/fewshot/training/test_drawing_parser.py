"""Bare heads in drawings are skin, and hair in the colour of paper stays hair."""

import pytest
import torch

from eval.face_parsing import PARTS, FaceParser, FaceParsingHead
from eval.perceptual import load_perceptual
from fewshot.training.drawing_parser import LEAST_HAIR, DrawingParser, bare_to_skin, paint

HAIR, SKIN, GROUND = (PARTS.index(name) for name in ("hair", "skin", "ground"))
PINK, BROWN, BLUE, WHITE = (0.9, 0.7, 0.6), (0.4, 0.2, 0.1), (0.3, 0.4, 0.9), (1.0, 1.0, 1.0)


class ByPlace(FaceParser):
    """Hair above and skin below, whatever is drawn there."""

    def __init__(self) -> None:
        super().__init__(load_perceptual(), FaceParsingHead())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        parts = torch.full((len(images), len(PARTS), 32, 32), 0.02)
        parts[:, HAIR, :16] = parts[:, SKIN, 16:] = 0.9
        return parts


def head(
    top: tuple[float, ...], face: tuple[float, ...] = PINK, patch: tuple[float, ...] = ()
) -> torch.Tensor:
    """A drawing whose upper half has one colour, and perhaps a patch of 12 by 6 cells another, with lines."""
    picture = torch.tensor(face).view(3, 1, 1).expand(3, 128, 128).clone()
    picture[:, :64] = torch.tensor(top).view(3, 1, 1)
    picture[:, 4:6, 80:120] = 0
    if patch:
        picture[:, 0:24, 0:48] = torch.tensor(patch).view(3, 1, 1)
        picture[:, 12:14, 4:40] = 0
    return picture[None]


def found(drawing: torch.Tensor) -> torch.Tensor:
    return bare_to_skin(ByPlace()(drawing), drawing)


@pytest.mark.parametrize("shade", [PINK, (0.88, 0.66, 0.55)])
def test_a_bare_head_is_skin_with_its_outline(shade: tuple[float, ...]) -> None:
    parts = found(head(shade))
    assert (parts.argmax(1) == SKIN).all()
    # Nothing is lost: what was hair is skin now.
    assert torch.allclose(parts.sum(1), ByPlace()(head(shade)).sum(1))


def test_hair_of_its_own_colour_is_hair_with_its_strands() -> None:
    assert (found(head(BROWN)).argmax(1)[:, :16] == HAIR).all()


def test_hatched_hair_is_hair_to_the_line_where_it_ends() -> None:
    """No cell of it is flat, and skin lies beside it."""
    drawing = head(PINK)
    drawing[:, :, :64, ::3] = drawing[:, :, :64, 1::3] = 0
    assert (found(drawing).argmax(1)[:, :16] == HAIR).all()


def test_hair_in_the_colour_of_skin_with_a_line_around_it_is_no_bare_head() -> None:
    drawing = head((0.88, 0.66, 0.55))
    assert (found(drawing).argmax(1) == SKIN).all()
    drawing[:, :, 60:64] = 0
    assert (found(drawing).argmax(1)[:, :14] == HAIR).all()


def test_a_tuft_on_a_bare_head_is_the_hair() -> None:
    hair = found(head(PINK, patch=BLUE)).argmax(1)[0] == HAIR
    assert hair[:6, :11].all()
    assert 6 * 12 * 0.9 < int(hair.sum()) < 6 * 12 * 1.2


def test_without_skin_nothing_is_bare() -> None:
    parts = torch.zeros(1, len(PARTS), 32, 32)
    parts[:, HAIR], drawing = 1, head(PINK)
    assert torch.equal(bare_to_skin(parts, drawing), parts)


@pytest.mark.parametrize(("white", "with_hair", "told"), [(5, 0, False), (11, 1, False), (9, 1, True)])
def test_who_hardly_gives_hair_a_colour_draws_no_bare_heads(white: int, with_hair: int, told: bool) -> None:
    """White paper for both: then hair is where the parser finds it."""
    drawings = torch.cat([head(WHITE, WHITE)] * white + [head(BROWN, WHITE)] * with_hair)
    parser = DrawingParser(ByPlace(), (drawings * 255).to(torch.uint8))
    assert parser.bare_is_skin == told
    share = (parser(drawings).argmax(1) == HAIR).float().mean((1, 2))
    assert ((share[:white] < LEAST_HAIR) == told).all()
    assert (share[white:] > LEAST_HAIR).all()


def test_parts_are_the_same_in_every_precision() -> None:
    drawing, parts = head(PINK, patch=BLUE), ByPlace()(head(PINK))
    with torch.autocast("cpu", torch.bfloat16):
        low = bare_to_skin(parts, drawing)
    assert torch.equal(low, bare_to_skin(parts, drawing))


def test_paint_is_what_has_no_line_in_it() -> None:
    colours, flat = paint(head(BROWN), (32, 32))
    assert colours.shape == (1, 3, 32, 32)
    assert not flat[0, 1, 20:30].any()
    assert flat[0, 2:].all()

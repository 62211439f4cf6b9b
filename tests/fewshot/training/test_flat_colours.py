"""Pixels against the nearest colour of the same part."""

import pytest
import torch

from eval.face_parsing import PARTS
from fewshot.training.flat_colours import COLOURS, FLAT_PARTS, flat_colours_loss, palettes

HAIR, SKIN, EYES = (PARTS.index(name) for name in ("hair", "skin", "eyes"))
COUNT, PIXELS = 40, 25
LILAC, INK, PAPER = (torch.tensor(colour) for colour in ((0.5, 0.4, 0.9), (-1.0,) * 3, (1.0,) * 3))
NEAR = 0.01
"""What a pixel counts that is of a colour of its part."""


def painted(*colours: torch.Tensor) -> torch.Tensor:
    """Patches of all parts, `(1, P, COLOURS, PIXELS, 3)`, flat, of each colour as many."""
    rows = torch.stack(colours).repeat_interleave(COLOURS // len(colours), 0)
    return rows[None, None, :, None].expand(1, len(PARTS), -1, PIXELS, -1).clone()


def loss(pixels: torch.Tensor, part: int, colours: torch.Tensor) -> torch.Tensor:
    return flat_colours_loss(pixels, torch.full(pixels.shape[:2], part), colours)


def test_a_colour_of_the_part_is_free_however_often_it_is_used() -> None:
    colours = palettes(painted(LILAC, LILAC, INK, PAPER))
    for used in (INK, PAPER):
        assert loss(used.expand(1, COUNT, 3), EYES, colours) == pytest.approx(NEAR, abs=1e-4)


@pytest.mark.parametrize("part", range(len(PARTS)))
def test_a_smudge_is_as_far_as_its_colour_is_and_is_pulled_to_it(part: int) -> None:
    pixels = LILAC.expand(1, COUNT, 3).clone()
    pixels[0, 5] -= 0.3
    pixels.requires_grad_()
    found = loss(pixels, part, palettes(painted(LILAC)))
    found.backward()
    assert float(found.detach()) == pytest.approx((0.3 * 3**0.5 + 39 * NEAR) / COUNT, rel=0.01)
    assert pixels.grad is not None
    assert pixels.grad[0].abs().sum(1).nonzero().flatten().tolist() == [5]
    assert (pixels.grad[0, 5] < 0).all()


def test_each_picture_and_each_part_has_colours_of_its_own() -> None:
    patches = torch.cat([painted(LILAC), painted(INK)])
    patches[0, HAIR], patches[1, HAIR] = INK, PAPER
    groups = torch.tensor([[HAIR] * 20 + [SKIN] * 20] * 2)
    own = [torch.cat([a.expand(20, 3), b.expand(20, 3)]) for a, b in ((INK, LILAC), (PAPER, INK))]
    colours = palettes(patches)
    assert flat_colours_loss(torch.stack(own), groups, colours) == pytest.approx(NEAR, abs=1e-4)
    of_others = flat_colours_loss(torch.stack(own[::-1]), groups, colours)
    far = [torch.dist(*pair) for pair in ((PAPER, INK), (INK, LILAC), (INK, PAPER), (LILAC, INK))]
    assert float(of_others) == pytest.approx(float(sum(far)) / 4, rel=0.01)


def test_what_lies_on_an_edge_is_a_colour_of_inked_parts_alone() -> None:
    patches = painted(PAPER)
    patches[:, :, ::3, : PIXELS // 2] = -1
    patches[:, :, ::3, PIXELS // 2] = 0
    grey = torch.zeros(1, COUNT, 3)
    for part, name in enumerate(PARTS):
        expected = 3**0.5 if name in FLAT_PARTS else NEAR
        assert loss(grey, part, palettes(patches)) == pytest.approx(expected, rel=0.01)


def test_hatched_hair_has_the_colours_of_its_strokes() -> None:
    """All but seven patches lie across a stroke: nothing there is flat, and a stroke's middle is a colour."""
    patches = painted(PAPER)
    patches[:, :, 7:, : PIXELS // 2] = 0.2
    patches[:, :, 7:, PIXELS // 2] = 0
    assert loss(torch.zeros(1, COUNT, 3), HAIR, palettes(patches)) == pytest.approx(NEAR, abs=1e-4)
    patches[:, :, 7] = 1
    assert loss(torch.zeros(1, COUNT, 3), HAIR, palettes(patches)) == pytest.approx(3**0.5, rel=0.01)

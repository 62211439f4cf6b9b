"""Pixels against the nearest colour of the same part."""

import pytest
import torch

from eval.face_parsing import PARTS
from fewshot.training.flat_colours import flat_colours_loss

GROUND, HAIR, SKIN, EYES = (PARTS.index(name) for name in ("ground", "hair", "skin", "eyes"))
COUNT, PIXELS = 40, 25


def patches(*colours: tuple[float, float, float]) -> torch.Tensor:
    """Flat patches `(1, COUNT, PIXELS, 3)`, of each colour as many."""
    rows = torch.tensor(colours).repeat_interleave(COUNT // len(colours), 0)
    return rows[None, :, None].expand(-1, -1, PIXELS, -1).clone()


def of(part: int) -> torch.Tensor:
    return torch.full((1, COUNT), part)


LILAC, INK, PAPER = (0.5, 0.4, 0.9), (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)


def test_a_colour_of_the_drawing_is_free_however_often_it_is_used() -> None:
    theirs = patches(LILAC, LILAC, INK, PAPER)
    for ours in (patches(INK), patches(LILAC, PAPER)):
        assert flat_colours_loss(ours, theirs, of(SKIN)) == pytest.approx(0.01, abs=1e-4)


@pytest.mark.parametrize("part", [GROUND, HAIR, SKIN])
def test_a_smudge_is_as_far_as_its_colour_is_and_is_pulled_there(part: int) -> None:
    ours = patches(LILAC)
    ours[0, 5] -= 0.3
    ours.requires_grad_()
    loss = flat_colours_loss(ours, patches(LILAC), of(part))
    assert float(loss.detach()) == pytest.approx((0.3 * 3**0.5 + 39 * 0.01) / COUNT, rel=0.01)
    loss.backward()
    assert ours.grad is not None
    pulled = ours.grad[0].abs().sum((1, 2)).nonzero().flatten().tolist()
    assert pulled == [5]
    assert (ours.grad[0, 5, PIXELS // 2] < 0).all()


def test_each_part_has_colours_of_its_own() -> None:
    groups = torch.tensor([[GROUND] * 20 + [HAIR] * 20])
    theirs, swapped = patches(LILAC, INK), patches(INK, LILAC)
    assert flat_colours_loss(theirs, theirs, groups) == pytest.approx(0.01, abs=1e-4)
    far = torch.dist(torch.tensor(LILAC), torch.tensor(INK))
    assert flat_colours_loss(swapped, theirs, groups) == pytest.approx(float(far), rel=0.01)


def test_edges_are_of_no_colour_but_on_skin() -> None:
    """A third of the drawing's patches lie on edges, their middles grey: for skin alone that is paint."""
    theirs = patches(PAPER)
    theirs[0, ::3, : PIXELS // 2] = -1
    theirs[0, ::3, PIXELS // 2] = 0
    grey = patches((0.0, 0.0, 0.0))
    assert flat_colours_loss(grey, theirs, of(SKIN)) == pytest.approx(0.01, abs=1e-4)
    assert flat_colours_loss(grey, theirs, of(HAIR)) == pytest.approx(3**0.5, rel=0.01)


def test_eyes_and_accidents_of_the_parser_count_nothing() -> None:
    assert flat_colours_loss(patches(INK), patches(PAPER), of(EYES)) == 0
    few = of(EYES)
    few[0, :7] = SKIN
    assert flat_colours_loss(patches(INK), patches(PAPER), few) == 0

"""Hands made of filters."""

import pytest
import torch

from eval.features import get_extractor
from eval.random_features import disc_pictures
from fewshot.training.pseudo_hands import PseudoHand, draw_hand, luminance


def hand(seed: int) -> PseudoHand:
    return draw_hand(torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(40))
def test_every_recipe_gives_pictures(seed: int) -> None:
    torch.manual_seed(0)
    pictures = disc_pictures(2, 48, seed=seed)
    drawn = hand(seed)(pictures)
    assert drawn.shape == pictures.shape
    assert drawn.isfinite().all()
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_one_recipe_brings_unrelated_pictures_together() -> None:
    """Drawings of one recipe find each other more often than the pictures under it would."""
    torch.manual_seed(0)
    judge = get_extractor("random")
    rows, plain = [], []
    for seed in range(12):
        pictures = disc_pictures(3, 96, seed=100 + seed)
        plain.append(judge(pictures))
        rows.append(judge(hand(seed)(pictures)))
    assert _nearest_is_same(torch.cat(rows)) > _nearest_is_same(torch.cat(plain)) + 0.3


def _nearest_is_same(rows: torch.Tensor) -> float:
    unit = torch.nn.functional.normalize(rows - rows.mean(0), dim=1)
    cosines = (unit @ unit.T).fill_diagonal_(-2)
    return float((cosines.argmax(1) // 3 == torch.arange(len(rows)) // 3).float().mean())


def test_recipes_differ_and_repeat() -> None:
    pictures = disc_pictures(1, 48)
    drawn = []
    for seed in (1, 1, 2, 3, 4):
        torch.manual_seed(0)
        drawn.append(hand(seed)(pictures))
    assert torch.equal(drawn[0], drawn[1])
    assert len({float(luminance(d).sum()) for d in drawn}) >= 4

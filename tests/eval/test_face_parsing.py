"""The shipped face parser, on persons that were not rendered for its training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from eval.face_parsing import CELLS, PARTS, WEIGHTS, FaceParsingHead, load_face_parser
from eval.perceptual import load_perceptual
from fewshot.data.packs import load_pack
from fewshot.samples import SNAPSHOT, sample_hands
from fewshot.samples.face import FacePlan
from fewshot.samples.labels import draw_labelled

SIZE = 128
LIMIT = 1_000_000
PERSONS = 6


def labelled(hand: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (N, 3, S, S) in [0, 1] and the numbers of their parts on the parser's grid."""
    drawn = [
        draw_labelled(hand, FacePlan.random(np.random.default_rng([5, i])), (5, i), SIZE, PARTS)
        for i in range(PERSONS)
    ]
    pictures = torch.from_numpy(np.stack([p for p, _ in drawn])).permute(0, 3, 1, 2).float() / 255
    numbers = torch.from_numpy(np.stack([n for _, n in drawn])).long()
    shares = F.adaptive_avg_pool2d(F.one_hot(numbers, len(PARTS)).permute(0, 3, 1, 2).float(), CELLS)
    return pictures, shares.argmax(1)


@pytest.mark.parametrize("hand", [*sample_hands(), SNAPSHOT])
def test_parts_of_new_persons_are_found(hand: str) -> None:
    pictures, numbers = labelled(hand)
    found = load_face_parser()(pictures).argmax(1)
    assert (found == numbers).float().mean() > 0.8
    for name in ("ground", "hair", "skin", "clothes"):
        ours, theirs = found == PARTS.index(name), numbers == PARTS.index(name)
        assert (ours & theirs).sum() > 0.5 * (ours | theirs).sum(), name
    # The middle of an eye is not skin: small parts are not lost.
    for name in ("eyes", "mouth"):
        theirs = numbers == PARTS.index(name)
        assert (found[theirs] == PARTS.index(name)).float().mean() > 0.5, name


def test_answers_are_probabilities_that_hold_in_the_mirror_at_any_size() -> None:
    assert WEIGHTS.stat().st_size <= LIMIT
    parser = load_face_parser(load_perceptual())
    pictures, _ = labelled("ink")
    for side in (32, 100, 128):
        seen = F.interpolate(pictures, size=(side, side), mode="area")
        answers = parser(seen)
        assert answers.shape == (PERSONS, len(PARTS), CELLS, CELLS)
        assert torch.allclose(answers.sum(1), torch.ones(PERSONS, CELLS, CELLS), atol=1e-5)
        if side >= 100:
            mirrored = parser(seen.flip(-1)).flip(-1)
            assert (mirrored.argmax(1) == answers.argmax(1)).float().mean() > 0.9


def test_skin_is_amid_a_real_portrait_and_ground_at_its_corners(shared: Callable[..., Path]) -> None:
    folder = shared("data", "artists", "cuhk_sketch", "train")
    drawings = torch.from_numpy(load_pack(folder, SIZE).pixels).float() / 255
    answers = load_face_parser()(drawings).argmax(1)
    middle = answers[:, CELLS // 2 - 2 : CELLS // 2 + 6, CELLS // 2 - 2 : CELLS // 2 + 2]
    assert (middle == PARTS.index("skin")).float().mean() > 0.5
    assert (answers[:, :2, :2] == PARTS.index("ground")).float().mean() > 0.8


def test_a_head_starts_without_an_opinion_and_has_few_weights() -> None:
    assert sum(p.numel() for p in FaceParsingHead().parameters()) < 300_000


@pytest.mark.parametrize("side", [32, 96, 300])
def test_the_stem_sees_all_maps_on_one_grid_and_where_a_cell_is(side: int) -> None:
    """Pictures of whose maps some, all or none are smaller than the grid."""
    head = FaceParsingHead()
    with torch.no_grad():
        maps = load_perceptual()(torch.rand(2, 3, side, side))
        scaled = [
            F.adaptive_avg_pool2d(m, CELLS)
            if m.shape[-1] > CELLS
            else F.interpolate(m, (CELLS, CELLS), mode="bilinear")
            for m in (F.normalize(m, dim=1) for m in maps)
        ]
        along = torch.linspace(-1, 1, CELLS).expand(2, 1, CELLS, CELLS)
        wanted = head.stem(torch.cat([*scaled, along, along.mT], 1))
        torch.testing.assert_close(head._stem_of(maps), wanted, rtol=1e-4, atol=1e-5)

"""Which drawing, or which part of one, a photo's result is compared with."""

import numpy as np
import pytest
import torch

from base_models.registry import create_model
from eval.face_parsing import PARTS, FaceParser, FaceParsingHead
from eval.perceptual import load_perceptual
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_folder
from fewshot.training.drawing_parser import DrawingParser
from fewshot.training.matching import match_drawings, match_parts, targets_of
from fewshot.training.sources import Sources, make_sources

GROUND, HAIR, SKIN = (PARTS.index(name) for name in ("ground", "hair", "skin"))


class Thirds(FaceParser):
    """Ground, hair and skin in this order from the left; black is no part that anybody is sure of."""

    def __init__(self) -> None:
        super().__init__(load_perceptual(), FaceParsingHead())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        parts = torch.zeros(len(images), len(PARTS), 6, 6)
        for place, part in enumerate((GROUND, HAIR, SKIN)):
            parts[:, part, :, 2 * place : 2 * place + 2] = 1
        shown = torch.nn.functional.adaptive_avg_pool2d(images.amax(1, keepdim=True), 6) > 0
        return parts * shown


def of(drawings: torch.Tensor) -> DrawingParser:
    return DrawingParser(Thirds(), drawings)


def pictures(*thirds: tuple[int, int, int]) -> torch.Tensor:
    """Grey thirds, uint8 `(N, 3, 48, 48)`."""
    values = torch.tensor(thirds, dtype=torch.uint8)
    return values.repeat_interleave(16, 1)[:, None, None].expand(-1, 3, 48, -1).contiguous()


def with_hair(*colours: tuple[int, ...]) -> torch.Tensor:
    """Hair of a colour between black ground and blue skin, uint8 `(N, 3, 48, 48)`."""
    made = pictures(*[(1, 1, 1)] * len(colours))
    made[..., 16:32] = torch.tensor(colours, dtype=torch.uint8)[:, :, None, None]
    made[:, 2, :, 32:] = 255
    return made


@pytest.fixture(scope="module")
def drawings() -> StyleSet:
    return StyleSet.from_folder(sample_folder("ink"), size=32, limit=8)


@pytest.fixture(scope="module")
def sources(drawings: StyleSet) -> Sources:
    return make_sources(create_model("scan_tiny"), drawings, None, None)


def test_each_pseudo_photo_is_matched_with_its_own_drawing(drawings: StyleSet, sources: Sources) -> None:
    targets = targets_of(sources, drawings.tensor(), drawings.wholes(), None)
    own = len(sources.pairs)
    assert torch.equal(targets[:own], torch.arange(own))
    assert len(targets) == len(sources.photos)
    others = torch.bincount(targets[own:], minlength=own)
    assert others.max() <= -(-(len(targets) - own) // own)
    assert others.min() > 0


def test_with_a_parser_each_part_has_a_drawing(drawings: StyleSet, sources: Sources) -> None:
    targets = targets_of(sources, drawings.tensor(), drawings.wholes(), of(drawings.tensor()), ["hair"])
    own = len(sources.pairs)
    assert targets.shape == (len(sources.photos), len(PARTS))
    assert torch.equal(targets[:own], torch.arange(own)[:, None].expand(-1, len(PARTS)))
    for part in (GROUND, HAIR, SKIN):
        uses = torch.bincount(targets[own:, part], minlength=own)
        # Only hair is not every drawing's: where its colour is that of skin.
        able = int((uses > 0).sum()) if part == HAIR else own
        assert uses.max() <= -(-(len(targets) - own) // able)


def test_photos_find_drawings_of_their_colours_mirrored_or_not() -> None:
    rng = np.random.default_rng(0)
    pairs = torch.from_numpy(rng.integers(0, 255, (5, 3, 4, 4), np.uint8)).repeat_interleave(8, 2)
    pairs = pairs.repeat_interleave(8, 3)
    order = torch.tensor([3, 1, 4, 0, 2])
    assert torch.equal(match_drawings(pairs[order], pairs), order)
    assert torch.equal(match_drawings(pairs[order].flip(-1), pairs), order)
    assert match_drawings(pairs, pairs[:1]).tolist() == [0] * 5


def test_parts_are_matched_in_the_order_of_their_own_colours() -> None:
    """Also where all drawings are lighter than all photos; ground is taken from the whole drawings."""
    photos = pictures((10, 60, 90), (40, 30, 70), (70, 20, 80))
    drawn = pictures((1, 120, 250), (1, 140, 230), (1, 160, 210))
    wholes = pictures((150, 1, 1), (130, 1, 1), (170, 1, 1))
    matched = match_parts(photos, drawn, wholes, of(drawn))
    assert matched[:, GROUND].tolist() == [1, 0, 2]
    assert matched[:, HAIR].tolist() == [2, 1, 0]
    assert matched[:, SKIN].tolist() == [0, 2, 1]


def test_own_colours_are_matched_as_they_are_and_a_drawing_stands_for_four_times_its_share_at_most() -> None:
    black, red, white = (10, 10, 10), (200, 40, 40), (240, 240, 240)
    drawn = with_hair(black, red, white)
    photos = with_hair((25, 20, 20), (150, 60, 50), (20, 15, 15), (40, 30, 30))
    matched = match_parts(photos, drawn, drawn, of(drawn), ["hair"])
    assert matched[:, HAIR].tolist() == [0, 1, 0, 0]
    # As the order goes, the lightest of dark hair would be white.
    assert match_parts(photos, drawn, drawn, of(drawn))[:, HAIR].tolist() == [0, 1, 0, 2]
    # Ten drawings for twenty dark heads: the black one stands for eight.
    drawn = with_hair(black, *[(60 + 12 * i, 40, 40) for i in range(9)])
    matched = match_parts(photos[:1].repeat(20, 1, 1, 1), drawn, drawn, of(drawn), ["hair"])
    assert torch.bincount(matched[:, HAIR]).tolist() == [8, 8, 4]
    # Whoever draws in pencil has one hue, and then no drawing stands for all.
    pencil = with_hair(*[(60 + 12 * i,) * 3 for i in range(10)])
    matched = match_parts(photos[:1].repeat(20, 1, 1, 1), pencil, pencil, of(pencil), ["hair"])
    assert torch.bincount(matched[:, HAIR]).tolist() == [2] * 10


@pytest.mark.parametrize(("photos", "drawings"), [(4, 3), (104, 24), (2, 5), (6, 3), (1, 1)])
def test_each_drawing_is_used_equally_often_or_once_more(photos: int, drawings: int) -> None:
    """Also where all photos are darker than all drawings, so that the darkest are nearest to all."""
    dark = torch.randint(1, 60, (photos, 3, 8, 8), dtype=torch.uint8)
    light = torch.arange(100, 100 + 6 * drawings, 6, dtype=torch.uint8)[:, None, None, None]
    uses = torch.bincount(match_drawings(dark, light.expand(-1, 3, 8, 8)), minlength=drawings)
    assert uses.sum() == photos
    assert uses.max() - uses.min() <= 1


def test_a_drawing_without_a_part_does_not_stand_for_it() -> None:
    photos = pictures((10, 60, 90), (40, 30, 70), (70, 20, 80))
    bald = pictures((1, 0, 250), (1, 120, 230), (1, 0, 210))
    matched = match_parts(photos, bald, bald, of(bald))
    assert matched[:, HAIR].tolist() == [1, 1, 1]
    assert sorted(matched[:, SKIN].tolist()) == [0, 1, 2]
    # Nobody has hair: then it does not matter, and nothing breaks.
    assert match_parts(photos, bald[[0, 2]], bald[[0, 2]], of(bald[[0, 2]])).shape == (3, len(PARTS))
    assert match_parts(photos[:0], bald, bald, of(bald)).shape == (0, len(PARTS))


def test_what_has_the_colour_of_skin_does_not_stand_for_hair() -> None:
    """The parser tells hair by its place, and finds it on a bare head as well."""
    photos = pictures((10, 60, 90), (40, 30, 70), (70, 20, 80))
    drawn = pictures((1, 240, 250), (1, 120, 230), (1, 205, 210))
    assert match_parts(photos, drawn, drawn, of(drawn))[:, HAIR].tolist() == [1, 1, 1]
    # Where all heads are bare they are what there is.
    bare = match_parts(photos, drawn[[0, 2]], drawn[[0, 2]], of(drawn[[0, 2]]))[:, HAIR]
    assert sorted(set(bare.tolist())) == [0, 1]
    # A bare head still has more of it than a head that shows none.
    none = pictures((1, 240, 250), (1, 0, 230))
    assert match_parts(photos, none, none, of(none))[:, HAIR].tolist() == [0, 0, 0]
    # Without skin to tell it from, hair is hair.
    alone = pictures((1, 5, 0), (1, 250, 240))
    assert match_parts(photos, alone, alone, of(alone))[:, HAIR].tolist() == [0, 0, 0]

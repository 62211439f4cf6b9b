"""A hand is known however near its heads are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.errors import EvalError
from eval.features import UNSEEN, extract, get_extractor
from eval.framings import ENLARGED, framings
from eval.style_rank import style_rank


def test_enlarged_about_the_middle() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 3, 60, 90), np.uint8)
    made = list(framings(pictures))
    assert len(made) == len(ENLARGED)
    assert made[0] is pictures
    for by, framed in zip(ENLARGED, made, strict=True):
        assert framed.shape == pictures.shape
        if 60 / by == int(60 / by) and 90 / by == int(90 / by):
            top, left = round((60 - 60 / by) / 2), round((90 - 90 / by) / 2)
            inner = pictures[1, :, top : 60 - top, left : 90 - left].transpose(1, 2, 0)
            wanted = Image.fromarray(np.ascontiguousarray(inner)).resize((90, 60), Image.Resampling.LANCZOS)
            # At the edge the filter sees what lies beyond.
            differs = framed[1] != np.asarray(wanted).transpose(2, 0, 1)
            assert not differs[:, 6:-6, 6:-6].any(), by


def test_whole_drawings_come_on_top() -> None:
    cut, whole = np.zeros((2, 3, 8, 8), np.uint8), np.full((2, 3, 8, 8), 9, np.uint8)
    both = list(framings(cut, whole))
    assert (both[-1] == whole).all()
    assert len(both) == len(list(framings(cut))) + 1


def test_framings_of_one_drawing_are_no_strangers_to_each_other() -> None:
    """The reason for them: what is enlarged is another hand's among drawings of one framing."""
    rng = np.random.default_rng(1)
    # A hand is one direction, nearness another: the other hand draws near, and the first is shown so.
    first, other, *more = np.eye(5, 8) * 4
    nearer = sum(more)

    def drawn(hand: np.ndarray, n: int = 12) -> np.ndarray:
        return hand + 0.3 * rng.normal(size=(n, 8))

    queries = drawn(first + nearer)
    one = {"first": drawn(first), "other": drawn(other + nearer)}
    both = {
        "first": np.stack([one["first"], drawn(first + nearer)], 1),
        "other": np.stack([one["other"], drawn(other + 2 * nearer)], 1),
    }
    assert style_rank(queries, one, "first").top1.value < 0.2
    found = style_rank(queries, both, "first")
    assert found.top1.value > 0.9
    assert (found.top1.n_x, found.compared) == (24, 24)


def test_all_framings_of_a_drawing_are_left_out_with_it() -> None:
    rng = np.random.default_rng(2)
    own, others = rng.normal(size=(6, 3, 5)), rng.normal(size=(6, 3, 5))
    found = style_rank(own[:, 0], {"a": own, "b": others}, "a", k=1, leave_out=range(6))
    seen = style_rank(own[:, 0], {"a": own, "b": others}, "a", k=1)
    assert (seen.ranks == 1).all()
    assert found.top1.value < 1
    for wrong in (-1, 6):
        with pytest.raises(EvalError, match="none of 0 to 5"):
            style_rank(own[:1, 0], {"a": own, "b": others}, "a", k=1, leave_out=[wrong])
    for query in range(6):
        rest = np.delete(own, query, 0)
        alone = style_rank(own[query : query + 1, 0], {"a": rest, "b": others}, "a", k=1)
        # The gallery's scale differs a little without the drawing, its neighbours do not.
        assert abs(alone.scores[0, 0] - found.scores[query, 0]) < 0.35


def test_real_drawings_enlarged_are_found_among_framings(shared: Callable[..., Path]) -> None:
    from fewshot.evaluation.features import framed_features_of
    from fewshot.evaluation.sources import gather_drawings

    judge = get_extractor(UNSEEN + "notionists")
    names = ("notionists", "lorelei", "micah")
    sides = {name: gather_drawings(shared("data", "artists", name, "train"), 128) for name in names}
    kept, shown = (
        {n: s.rows(range(0, 30, 2)) for n, s in sides.items()},
        sides["notionists"].rows(range(1, 30, 2)),
    )
    enlarged = extract(judge, list(framings(shown.pixels))[2])
    one = style_rank(enlarged, {n: extract(judge, s.pixels) for n, s in kept.items()}, "notionists")
    framed = style_rank(enlarged, {n: framed_features_of(judge, s) for n, s in kept.items()}, "notionists")
    assert one.top1.value < 0.7
    assert framed.top1.value > one.top1.value + 0.2

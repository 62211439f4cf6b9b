"""What the comparison says, on drawings whose answer is known."""

import json

import numpy as np
import pytest

from fewshot.errors import BadInputError, UsageError
from fewshot.evaluation.comparison import Comparison, compare
from fewshot.evaluation.record import COLUMNS
from fewshot.evaluation.sources import gather
from fewshot.samples import sample_folder

SIZE = 64


def hand(name: str) -> np.ndarray:
    return gather(sample_folder(name), SIZE).pixels


@pytest.fixture(scope="module")
def perfect() -> Comparison:
    """The same people: base results are their flat pictures, style results their ink pictures."""
    flat, ink = hand("flat"), hand("ink")
    others = {"flat": flat[12:], "riso": hand("riso")[:12]}
    return compare(ink[:12], flat[:12], flat[:12], ink[12:], others, target="ink", training=ink[12:])


@pytest.mark.parametrize("extractor", ["random", "colour-edge"])
def test_a_style_that_is_right_wins_everything(perfect: Comparison, extractor: str) -> None:
    kid = perfect.find("KID", extractor)
    rank = perfect.find("style top-1", extractor)
    assert kid is not None
    assert kid.ratio is not None
    assert rank is not None
    assert kid.ratio.high < 0.2
    # Twelve on a side leave the interval of a KID near 0 open above; the paired ratio's is closed.
    assert kid.base.low > kid.style.value
    assert rank.base.value < 0.2
    assert rank.style.value > 0.9
    assert (kid.style.n_x, kid.style.n_y) == (12, 12)
    assert rank.chance == pytest.approx(1 / 3)


def test_content_knows_the_person_in_another_hand(perfect: Comparison) -> None:
    content = perfect.find("content top-1", "structure-v1")
    assert content is not None
    assert content.base.value == 1
    assert content.style.value > 3 * (content.chance or 1)
    assert perfect.copies == ()


def test_results_that_are_training_drawings_are_flagged() -> None:
    flat, ink = hand("flat"), hand("ink")
    found = compare(ink[:6], flat[:6], flat[:6], ink, {}, extractors=["colour-edge"], training=ink)
    assert found.copies == tuple(range(6))
    assert any("copy of a training drawing" in remark for remark in found.remarks())
    assert any("no style rank" in note for note in found.notes)


def test_a_style_that_changes_nothing_has_ratio_one() -> None:
    flat, ink = hand("flat"), hand("ink")
    same = compare(flat[:8], flat[:8], flat[:8], ink, {"riso": hand("riso")}, extractors=["random"])
    kid = same.find("KID", "random")
    assert kid is not None
    assert kid.ratio is not None
    assert (kid.ratio.value, kid.ratio.low, kid.ratio.high) == (1, 1, 1)


def test_a_single_photo_has_a_style_rank_and_nothing_else() -> None:
    flat, ink = hand("flat"), hand("ink")
    one = compare(ink[:1], flat[:1], flat[:1], ink[1:], {"flat": flat[1:]})
    assert {m.name for m in one.measures} == {"style top-1", "style reciprocal rank"}
    assert "no KID: 1 photo" in one.notes[0]
    assert "no content" in one.notes[1]


def test_views_of_one_photo_are_no_sample() -> None:
    flat, ink = hand("flat"), hand("ink")
    views = compare(ink[:8], flat[:8], flat[:8], ink[8:], {"flat": flat[8:]}, views=4)
    assert views.find("KID", "random") is None
    assert views.find("content top-1", "structure-v1") is not None
    assert views.n == {"results": 8, "photos": 2, "views": 4, "drawings": 16}
    assert any("8 views of 2 photos" in remark for remark in views.remarks())


def test_the_record_is_json_with_everything_it_takes_to_repeat_it(perfect: Comparison) -> None:
    record = json.loads(json.dumps(perfect.to_dict(), allow_nan=False))
    assert set(record["extractors"]) == {"random", "colour-edge"}
    for facts in record["extractors"].values():
        assert len(facts["sha256"]) == 64
        assert "128" in facts["resize"]
    kid = record["measures"][0]
    assert set(kid["ratio"]) == {"value", "low", "high", "n_x", "n_y", "extractor", "notes"}
    assert record["negatives"] == {"flat": 12, "riso": 12}
    assert record["size"] == [SIZE, SIZE]


def test_the_table_shows_both_sides_and_the_ratio(perfect: Comparison) -> None:
    rows = perfect.rows()
    assert all(set(row) == set(COLUMNS) for row in rows)
    assert {"KID", "KID ratio", "style 1st of 3", "content 1st of 12", "copies a drawing"} <= {
        row["measure"] for row in rows
    }


def test_an_infinite_bound_becomes_null() -> None:
    flat = hand("flat")
    # The base already draws like the artist, so KID(base) is about zero and the ratio has no upper bound.
    found = compare(hand("ink")[:8], flat[:8], flat[:8], flat[8:], {}, extractors=["random"])
    ratio = found.to_dict()["measures"][0]["ratio"]
    assert ratio["high"] is None
    assert ratio["low"] == 0


@pytest.mark.parametrize(
    ("style", "photos", "drawings", "error"),
    [(3, 4, 4, BadInputError), (0, 0, 4, BadInputError), (4, 4, 0, BadInputError), (4, 4, 4, UsageError)],
)
def test_sides_that_do_not_fit_are_refused(
    style: int, photos: int, drawings: int, error: type[Exception]
) -> None:
    flat = hand("flat")
    with pytest.raises(error):
        compare(flat[:style], flat[:photos], flat[:photos], flat[:drawings], {"artist": flat})

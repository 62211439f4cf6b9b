"""Style ranks: fairness, properties that hold for any features, errors, and real artists."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.errors import EvalError, UnknownNameError
from eval.ranking import equal_size_score
from eval.style_rank import style_rank, style_retrieval


def clusters(sizes: dict[str, int], spread: float = 0.3, dim: int = 12) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=dim) + spread * rng.normal(size=(n, dim)) for name, n in sizes.items()}


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_equal_size_score_is_the_mean_over_all_subsets(sizes: tuple[int, int], k: int, seed: int) -> None:
    n, size = sizes
    k = min(k, size)
    cosines = np.random.default_rng(seed).normal(size=(3, n))
    for row, score in zip(cosines, equal_size_score(cosines, size, k), strict=True):
        subsets = [np.sort(part)[-k:].mean() for part in combinations(row, size)]
        assert score == pytest.approx(np.mean(subsets))


def test_queries_of_a_cluster_rank_it_first_with_an_honest_interval() -> None:
    gallery = clusters({"ink": 30, "oil": 9, "pencil": 60})
    queries = clusters({"ink": 50})["ink"][30:]
    rank = style_rank(queries, gallery, "ink", extractor="random")
    assert rank.top1.value == 1
    assert 0.8 < rank.top1.low < 1
    assert rank.reciprocal_rank.value == 1
    assert rank.average_precision.value == 1
    assert (rank.top1.n_x, rank.top1.n_y, rank.top1.extractor, rank.compared) == (99, 20, "random", 9)
    assert rank.ranking(0)[0] == "ink"
    assert sorted(rank.ranking(0)) == sorted(gallery)
    wrong = style_rank(queries, gallery, "oil")
    assert wrong.top1.value == 0
    assert 1 / 3 <= wrong.reciprocal_rank.value <= 1 / 2


def test_a_larger_gallery_has_no_advantage_when_styles_are_equal() -> None:
    """Four styles of one distribution: each wins about a quarter; plainly nearest the largest wins most."""
    rng = np.random.default_rng(1)
    gallery = {name: rng.normal(size=(n, 40)) for name, n in {"a": 10, "b": 10, "c": 120, "d": 10}.items()}
    queries = rng.normal(size=(800, 40))
    assert abs(style_rank(queries, gallery, "c", k=1).top1.value - 0.25) < 0.12
    stacked = np.concatenate(list(gallery.values()))
    cosines = queries @ (stacked / np.linalg.norm(stacked, axis=1, keepdims=True)).T
    nearest = cosines.argmax(1)
    assert ((nearest >= 20) & (nearest < 140)).mean() > 0.6


Galleries = st.tuples(
    st.integers(2, 4), st.integers(2, 7), st.integers(1, 9), st.floats(0.1, 5), st.integers(0, 999)
)


def drawn(shape: tuple[int, int, int, float, int]) -> tuple[dict[str, np.ndarray], np.random.Generator]:
    """Styles of `least` drawings and more; one number would be all ties, as unit vectors are its sign."""
    styles, least, others, spread, seed = shape
    dim = others + 1
    rng = np.random.default_rng(seed)
    return {
        chr(97 + i): rng.normal(size=dim) + spread * rng.normal(size=(least + i, dim)) for i in range(styles)
    }, rng


@settings(max_examples=40, deadline=None)
@given(Galleries)
def test_rank_does_not_depend_on_any_order(shape: tuple[int, int, int, float, int]) -> None:
    gallery, rng = drawn(shape)
    queries = rng.normal(size=(5, shape[2] + 1))
    order = rng.permutation(5)
    shuffled = {s: gallery[s][rng.permutation(len(gallery[s]))] for s in reversed(list(gallery))}
    first, second = style_rank(queries, gallery, "a"), style_rank(queries[order], shuffled, "a")
    columns = [second.styles.index(style) for style in first.styles]
    assert second.scores[:, columns] == pytest.approx(first.scores[order], abs=1e-9)
    assert second.precisions == pytest.approx(first.precisions[order])


@settings(max_examples=40, deadline=None)
@given(Galleries)
def test_pictures_of_the_gallery_itself_rank_first(shape: tuple[int, int, int, float, int]) -> None:
    gallery, _ = drawn(shape)
    equal = {style: rows[: shape[1]] for style, rows in gallery.items()}
    for style, rows in equal.items():
        assert style_rank(rows, equal, style, k=1).top1.value == 1


@settings(max_examples=30, deadline=None)
@given(Galleries)
def test_every_drawing_twice_changes_no_scale_and_finds_its_twin(
    shape: tuple[int, int, int, float, int],
) -> None:
    gallery, _ = drawn(shape)
    twice = {style: np.repeat(rows[: shape[1]], 2, 0) for style, rows in gallery.items()}
    assert style_retrieval(twice, k=1).top1.value == 1


def test_constant_features_are_a_tie_everywhere() -> None:
    found = style_retrieval({"a": np.full((3, 4), 7.0), "b": np.full((2, 4), 7.0)})
    assert found.top1.value == 0
    assert set(found.ranks["a"].ranks) == {2}
    assert np.isfinite(found.ranks["a"].scores).all()


def test_retrieval_over_a_labelled_set_pools_all_drawings() -> None:
    gallery = clusters({"ink": 20, "oil": 2, "pencil": 30}, spread=0.2)
    found = style_retrieval(gallery, extractor="random")
    assert (found.top1.value, found.top1.n_y, found.top1.extractor) == (1, 52, "random")
    assert 0.9 < found.top1.low < 1
    hits = sum(int((rank.ranks == 1).sum()) for rank in found.ranks.values())
    assert hits == 52
    assert found.average_precision.value == pytest.approx(
        np.concatenate([r.precisions for r in found.ranks.values()]).mean()
    )


def test_styles_without_a_difference_are_found_by_chance() -> None:
    """Four galleries of one distribution, each drawing left out once: a quarter finds its own."""
    rng = np.random.default_rng(6)
    found = [style_retrieval({s: rng.normal(size=(20, 12)) for s in "abcd"}).top1.value for _ in range(40)]
    assert abs(np.mean(found) - 0.25) < 0.03


def test_leave_out_hides_a_drawing_from_itself() -> None:
    rng = np.random.default_rng(3)
    gallery = {"a": rng.normal(size=(15, 200)), "b": rng.normal(size=(15, 200))}
    seen = style_rank(gallery["a"], gallery, "a", k=1)
    hidden = style_rank(gallery["a"], gallery, "a", k=1, leave_out=range(15))
    assert seen.top1.value > hidden.top1.value
    assert hidden.top1.low < 0.5
    assert hidden.compared == 14


def test_identical_styles_are_a_tie_that_counts_against_the_target() -> None:
    same = np.random.default_rng(4).normal(size=(6, 5))
    assert style_rank(same, {"a": same, "b": same.copy()}, "a").top1.value == 0


def test_errors_name_the_style() -> None:
    gallery = clusters({"lorelei": 4, "micah": 4})
    with pytest.raises(UnknownNameError) as caught:
        style_rank(gallery["micah"], gallery, "lorelai")
    assert "'lorelei'" in caught.value.hint
    with pytest.raises(EvalError, match="negatives"):
        style_rank(gallery["micah"], {"micah": gallery["micah"]}, "micah")
    with pytest.raises(EvalError, match="micah: expected"):
        style_rank(gallery["lorelei"], {**gallery, "micah": np.zeros((0, 12))}, "lorelei")
    queries = np.concatenate([gallery["micah"], np.full((1, 12), np.nan)])
    with pytest.raises(EvalError, match="queries/row 4 contain nan"):
        style_rank(queries, gallery, "micah")


@pytest.mark.parametrize(("name", "bound"), [("random", 0.85), ("colour-edge", 0.85)])
def test_real_drawings_are_given_to_their_own_artist(
    name: str, bound: float, artist_features: Callable[[str], dict[str, np.ndarray]]
) -> None:
    """Each left out once, nine artists, chance 0.11; over all drawings 0.92 was measured for both."""
    found = style_retrieval(artist_features(name), extractor=name)
    assert found.top1.value > bound
    assert min(rank.top1.value for rank in found.ranks.values()) > 0.5

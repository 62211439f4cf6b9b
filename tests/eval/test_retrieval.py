"""The index of style vectors: exact and approximate search, changes, saving, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eval.errors import EvalError, UnknownNameError, WeightsMismatchError
from eval.features import get_extractor
from eval.retrieval import FLAT_LIMIT, StyleIndex
from eval.style_vectors import Space

SPACE = Space("style", "ab" * 32, 12)


def gallery(sizes: dict[str, int], dim: int = 12, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=dim) + rng.normal(size=(n, dim)) for name, n in sizes.items()}


def many(n: int, dim: int, hands: int, seed: int = 0) -> np.ndarray:
    """Vectors in clusters, cosine about 0.6 within one."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(hands, dim))
    return centres[rng.integers(0, hands, n)] + 0.8 * rng.normal(size=(n, dim))


def exact(rows: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers and cosines of the nearest, from the whole matrix."""
    cosines = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
    ).T
    order = np.argsort(-cosines, 1)[:, :k]
    return order, np.take_along_axis(cosines, order, 1)


def test_the_nearest_are_those_of_a_matrix_product_after_standardising() -> None:
    drawings, queries = gallery({"a": 20, "b": 30}), np.random.default_rng(5).normal(size=(4, 12))
    index = StyleIndex.build(SPACE, drawings)
    shift = (drawings["a"].mean(0) + drawings["b"].mean(0)) / 2
    spread = np.sqrt(sum(((rows - shift) ** 2).mean(0) for rows in drawings.values()) / 2)
    spread += 1e-3 * spread.max()
    rows = np.concatenate(list(drawings.values()))
    order, cosines = exact((rows - shift) / spread, (queries - shift) / spread, 7)
    for hits, places, near in zip(index.search(queries, 7), order, cosines, strict=True):
        expected = [("a", str(i)) if i < 20 else ("b", str(i - 20)) for i in places]
        assert [(hit.style, hit.name) for hit in hits] == expected
        assert [hit.cosine for hit in hits] == pytest.approx(list(near), abs=1e-5)
    assert [len(hits) for hits in index.search(queries, 99)] == [50] * 4


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(2, 8), st.integers(0, 999))
@example(12, 2, 28)
def test_a_stored_drawing_finds_itself_whatever_the_order(n: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, names = rng.normal(size=(n, dim)), [f"d{i}" for i in range(n)]
    first, second = (StyleIndex(replace(SPACE, dim=dim)) for _ in range(2))
    first.add("a", rows, names)
    for i in rng.permutation(n):
        second.add("a", rows[i : i + 1], [names[i]])
    # Two random drawings may lie in the same direction as far as float32 can tell: either is itself then.
    apart = np.sort(exact(rows, rows, min(n, 2))[1], 1)[:, 0] < 1 - 1e-6 if n > 1 else np.array([True])
    for index in (first, second):
        found = [hits[0].name for hits in index.search(rows, 1)]
        assert [ours for ours, clear in zip(found, apart, strict=True) if clear] == list(
            np.array(names)[apart]
        )
        assert [hits[0].cosine for hits in index.search(rows, 1)] == pytest.approx([1.0] * n, abs=1e-5)


def test_equal_and_constant_rows_are_kept_and_found() -> None:
    index = StyleIndex(SPACE)
    index.add("twins", np.ones((2, 12)), ["one", "two"])
    index.add("empty page", np.zeros((1, 12)), ["blank"])
    near = index.search(np.ones((1, 12)), 3)[0]
    assert {hit.name for hit in near[:2]} == {"one", "two"}
    assert (near[2].style, near[2].cosine) == ("empty page", 0)
    assert StyleIndex(SPACE).search(np.ones((2, 12))) == [[], []]


def test_a_style_can_be_taken_out_and_added_again() -> None:
    drawings = gallery({"a": 4, "b": 5, "c": 6})
    index = StyleIndex.build(SPACE, drawings)
    before = index.vectors("c")
    assert index.remove("b") == 5
    assert (index.styles, len(index)) == (("a", "c"), 10)
    assert (index.vectors("c") == before).all()
    assert {hit.style for hit in index.search(drawings["b"], 10)[0]} == {"a", "c"}
    index.add("b", drawings["b"], list("vwxyz"))
    assert index.search(drawings["b"][:1], 1)[0][0][:2] == ("b", "v")


@pytest.mark.parametrize("hands", [400, 1], ids=["clustered", "one cloud"])
def test_a_large_index_searches_cells_and_misses_almost_nothing(hands: int, tmp_path: Path) -> None:
    """Without clusters, cells help little: then more of them are searched, not neighbours missed."""
    rows = many(FLAT_LIMIT + 4200, 32, hands)
    rows, queries = rows[:-200], rows[-200:]
    index = StyleIndex(replace(SPACE, dim=32))
    half = len(rows) // 2
    index.add("first", rows[:half], [str(i) for i in range(half)])
    index.add("second", rows[half:], [str(i) for i in range(half, len(rows))])
    found = index.search(queries, 10)
    truth = exact(rows, queries, 10)[0]
    hits = [len({int(hit.name) for hit in near} & set(true)) for near, true in zip(found, truth, strict=True)]
    assert np.mean(hits) / 10 >= 0.98
    assert len(index.search(queries[:1], len(rows))[0]) == len(rows)
    index.save(tmp_path / "styles")
    loaded = StyleIndex.load(tmp_path / "styles", index.space)
    assert loaded.search(queries, 10) == found
    assert (loaded.vectors("second") == index.vectors("second")).all()
    loaded.add("third", queries[:2], ["x", "y"])
    assert loaded.search(queries[:1], 1)[0][0][:2] == ("third", "x")
    loaded.save(tmp_path / "styles")
    again = StyleIndex.load(tmp_path / "styles", index.space)
    assert again.search(queries, 10) == loaded.search(queries, 10)
    assert again.remove("first") == half
    assert {hit.style for hit in again.search(queries[:1], 50)[0]} <= {"second", "third"}


def test_what_was_saved_answers_as_before_and_can_go_on(tmp_path: Path) -> None:
    extractor = get_extractor("colour-edge")
    drawings = gallery({"a": 20, "b": 30}, extractor.dim)
    index = StyleIndex.build(extractor, drawings)
    index.save(tmp_path / "deep" / "styles")
    loaded = StyleIndex.load(tmp_path / "deep" / "styles", extractor)
    queries = np.random.default_rng(1).normal(size=(5, extractor.dim))
    assert loaded.search(queries, 50) == index.search(queries, 50)
    for one in (loaded, index):
        one.add("c", queries, list("vwxyz"))
        one.remove("a")
    loaded.save(tmp_path / "deep" / "styles")
    again = StyleIndex.load(tmp_path / "deep" / "styles", extractor)
    assert again.search(queries, 50) == index.search(queries, 50)


def test_an_empty_index_can_be_kept_and_filled(tmp_path: Path) -> None:
    index = StyleIndex.build(SPACE, {"a": np.ones((1, 12))})
    index.remove("a")
    for one in (StyleIndex(SPACE), index):
        one.save(tmp_path / "styles")
        loaded = StyleIndex.load(tmp_path / "styles", SPACE)
        assert (len(loaded), loaded.styles, loaded.search(np.ones((1, 12)))) == (0, (), [[]])
        loaded.add("a", np.eye(12)[:2], ["1", "2"])
        assert loaded.search(np.eye(12)[1:2], 1)[0][0].name == "2"


def test_an_index_in_use_keeps_its_answers_when_the_file_is_replaced(tmp_path: Path) -> None:
    """The reader has the old file mapped; large enough for cells, whose vectors are read only when needed."""
    rows = many(FLAT_LIMIT + 100, 16, 50)
    old, new = (StyleIndex(replace(SPACE, dim=16)) for _ in range(2))
    old.add("old", rows, [str(i) for i in range(len(rows))])
    old.save(tmp_path / "styles")
    reader = StyleIndex.load(tmp_path / "styles", old.space)
    new.add("new", rows[::-1] + 1, [str(i) for i in range(len(rows))])
    new.save(tmp_path / "styles")
    assert reader.search(rows[:50], 5) == old.search(rows[:50], 5)
    assert StyleIndex.load(tmp_path / "styles", old.space).styles == ("new",)
    (tmp_path / "styles").unlink()
    assert reader.search(rows[:50], 5) == old.search(rows[:50], 5)


def test_other_weights_and_missing_files_are_refused(tmp_path: Path) -> None:
    StyleIndex.build(SPACE, gallery({"a": 3, "b": 3})).save(tmp_path / "styles")
    with pytest.raises(WeightsMismatchError, match="style 00000") as caught:
        StyleIndex.load(tmp_path / "styles", replace(SPACE, sha256="0" * 64))
    assert caught.value.exit_code == 6
    with pytest.raises(WeightsMismatchError, match="expected random"):
        StyleIndex.load(tmp_path / "styles", replace(SPACE, name="random"))
    with pytest.raises(UnknownNameError, match="no such file"):
        StyleIndex.load(tmp_path / "nowhere", SPACE)


def test_bad_rows_are_named_and_nothing_is_added() -> None:
    index = StyleIndex.build(SPACE, {"lorelei": np.ones((2, 12))}, {"lorelei": ["01.webp", "02.webp"]})
    broken = np.ones((2, 12))
    broken[1, 3] = np.nan
    with pytest.raises(EvalError, match=r"micah/04\.webp contain nan"):
        index.add("micah", broken, ["03.webp", "04.webp"])
    with pytest.raises(EvalError, match=r"lorelei has a drawing named 02\.webp already"):
        index.add("lorelei", np.ones((2, 12)), ["03.webp", "02.webp"])
    with pytest.raises(EvalError, match="2 rows but 1 names"):
        index.add("micah", np.ones((2, 12)), ["03.webp"])
    with pytest.raises(EvalError, match="12"):
        index.search(np.ones((1, 7)))
    with pytest.raises(EvalError, match=r"lorelei/02\.webp contain nan"):
        StyleIndex.build(SPACE, {"lorelei": broken}, {"lorelei": ["01.webp", "02.webp"]})
    with pytest.raises(UnknownNameError) as caught:
        index.remove("lorelai")
    assert "'lorelei'" in caught.value.hint
    assert (index.styles, len(index)) == (("lorelei",), 2)

"""The feature cache: nothing is computed twice, nothing wrong comes out, whatever happens to its file."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.errors import EvalError
from eval.feature_cache import FeatureCache, content_hash, extract_cached
from eval.features import Extractor, extract


class _Counting(torch.nn.Module):
    """Mean colour of a picture; counts the pictures it was shown."""

    dim = 3
    seen = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        return images.mean((2, 3)) / (images.amax((1, 2, 3)) > 0)[:, None]


def counting(name: str = "counting", sha256: str = "0" * 64, resize: str = "none") -> Extractor:
    return Extractor(name, sha256, _Counting.dim, resize, True, _Counting())


def seen(extractor: Extractor) -> int:
    count = extractor.module.seen
    assert isinstance(count, int)
    return count


def pictures(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (n, 3, 20, 24), dtype=np.uint8)


def row_of(picture: str) -> np.ndarray:
    return np.random.default_rng(int(picture[:12], 16)).random(3, np.float32)


def test_the_second_time_nothing_is_computed(tmp_path: Path) -> None:
    shown = pictures(70)
    first, second = counting(), counting()
    features = extract_cached(first, shown, FeatureCache(tmp_path))
    assert np.array_equal(features, extract(counting(), shown))
    assert np.array_equal(extract_cached(second, shown[::-1], FeatureCache(tmp_path)), features[::-1])
    assert (seen(first), seen(second)) == (70, 0)
    more = np.concatenate([shown[:3], pictures(2, seed=1), pictures(2, seed=1)])
    assert np.array_equal(extract_cached(second, more, FeatureCache(tmp_path)), extract(counting(), more))
    assert seen(second) == 2, "of equal pictures one is computed"


def test_another_extractor_file_or_resize_is_not_confused(tmp_path: Path) -> None:
    shown, cache = pictures(2), FeatureCache(tmp_path)
    extract_cached(counting(), shown, cache)
    for other in (counting(name="b"), counting(sha256="1" * 64), counting(resize="to 64")):
        assert cache.get(other, [content_hash(p) for p in shown]) == {}


def test_the_hash_is_of_shape_and_pixels() -> None:
    picture = pictures(1)[0]
    assert content_hash(picture) == content_hash(picture[:, ::-1][:, ::-1])
    assert content_hash(picture) != content_hash(picture.reshape(3, 24, 20))
    assert content_hash(picture) != content_hash(picture[::-1])


def test_features_that_are_not_finite_are_refused_and_not_kept(tmp_path: Path) -> None:
    shown, cache = pictures(3), FeatureCache(tmp_path)
    shown[1] = 0
    for _ in range(2):
        with pytest.raises(EvalError, match=r"^black: its features by 'counting' are not finite"):
            extract_cached(counting(), shown, cache, names=("a", "black", "c"))
    assert len(cache.get(counting(), [content_hash(p) for p in shown])) == 2


_Batches = st.lists(st.dictionaries(st.integers(0, 9), st.floats(width=32), max_size=5), max_size=8)


@settings(deadline=None, max_examples=25)
@given(_Batches)
def test_it_remembers_what_was_stored_last_and_only_what_is_finite(
    tmp_path_factory: pytest.TempPathFactory, batches: list[dict[int, float]]
) -> None:
    cache, extractor = FeatureCache(tmp_path_factory.mktemp("cache")), counting()
    model: dict[str, float] = {}
    for batch in batches:
        cache.put(extractor, {str(p): np.full(3, value, np.float32) for p, value in batch.items()})
        model |= {str(p): value for p, value in batch.items() if np.isfinite(value)}
    found = cache.get(extractor, map(str, range(10)))
    assert {picture: row.tolist() for picture, row in found.items()} == {p: [v] * 3 for p, v in model.items()}


def test_the_oldest_rows_go_first_and_the_file_stays_small(tmp_path: Path) -> None:
    wide = Extractor("wide", "0" * 64, 2048, "none", True, _Counting())
    cache = FeatureCache(tmp_path, limit_mb=1)
    for start in range(0, 400, 20):
        cache.put(wide, {f"{i}": np.full(2048, i, np.float32) for i in range(start, start + 20)})
    kept = sorted(map(int, cache.get(wide, map(str, range(400)))))
    assert kept == list(range(kept[0], 400))
    assert 80 < len(kept) < 122
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size < 1.3e6


def _flip(file: Path, what: bytes) -> None:
    data = file.read_bytes()
    assert what in data
    file.write_bytes(data.replace(what, bytes([what[0] ^ 1]) + what[1:]))


def test_damaged_rows_are_computed_again_with_a_warning(tmp_path: Path) -> None:
    shown = pictures(5)
    features = extract_cached(counting(), shown, FeatureCache(tmp_path))
    _flip(tmp_path / "features-1.db", features[2].tobytes())
    heard: list[str] = []
    again = counting()
    cache = FeatureCache(tmp_path, warn=heard.append)
    assert np.array_equal(extract_cached(again, shown, cache), features)
    assert seen(again) == 1
    assert [("1 damaged" in text) for text in heard] == [True]
    assert len(cache.get(again, map(content_hash, shown))) == 5


@pytest.mark.parametrize("damage", ["head", "middle", "short", "noise", "other"])
def test_a_damaged_file_is_left_for_a_new_one(damage: str, tmp_path: Path) -> None:
    shown, file = pictures(300), tmp_path / "features-1.db"
    features = extract_cached(counting(), shown, FeatureCache(tmp_path))
    data = file.read_bytes()
    if damage == "other":
        file.unlink()
        with sqlite3.connect(file) as database:
            database.execute("CREATE TABLE features (a)")
    elif damage == "noise":
        file.write_bytes(np.random.default_rng(0).bytes(5000))
    else:
        cut = {"head": slice(0, 200), "middle": slice(4096, 20000), "short": slice(9000, None)}[damage]
        filler = b"" if damage == "short" else b"\xff" * (cut.stop - cut.start)
        file.write_bytes(data[: cut.start] + filler + (data[cut.stop :] if cut.stop else b""))
    heard: list[str] = []
    cache = FeatureCache(tmp_path, warn=heard.append)
    assert np.array_equal(extract_cached(counting(), shown, cache), features)
    assert heard
    assert all("damaged" in text for text in heard)
    rest = counting()
    extract_cached(rest, shown, cache)
    extract_cached(rest, shown, FeatureCache(tmp_path, warn=heard.append))
    assert seen(rest) <= 64, "what was computed after the damage is kept, but for the batch that met it"


def test_without_a_place_to_write_it_warns_once_and_computes(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    heard: list[str] = []
    cache = FeatureCache(tmp_path / "file" / "cache", warn=heard.append)
    shown = pictures(100)
    assert np.array_equal(extract_cached(counting(), shown, cache), extract(counting(), shown))
    assert len(heard) == 1
    assert "not kept there" in heard[0]


def _store_forever(folder: Path, names: Sequence[str]) -> None:
    cache, extractor = FeatureCache(folder), counting()
    for start in range(0, len(names), 10):
        cache.put(extractor, {name: row_of(name) for name in names[start : start + 10]})


def test_processes_that_write_at_once_and_are_killed_leave_an_intact_store(tmp_path: Path) -> None:
    rng, extractor = random.Random(0), counting()
    written: list[str] = []
    for _ in range(8):
        names = [[f"{rng.getrandbits(60):015x}" for _ in range(4000)] for _ in range(3)]
        children = []
        for part in names:
            if not (child := os.fork()):
                try:
                    _store_forever(tmp_path, part)
                finally:
                    os._exit(1)
            children.append(child)
        time.sleep(rng.uniform(0.05, 0.4))
        for child in children:
            os.kill(child, signal.SIGKILL)
            assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it should have been at work"
        written += [name for part in names for name in part]
    heard: list[str] = []
    cache = FeatureCache(tmp_path, warn=heard.append)
    found = cache.get(extractor, written)
    assert len(found) > 100
    assert not heard
    assert all(np.array_equal(row, row_of(name)) for name, row in found.items())
    with sqlite3.connect(tmp_path / "features-1.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)

"""Saving an index: killed at any moment, replaced while it is read, damaged in any place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.errors import EvalError
from eval.retrieval import StyleIndex
from eval.sealed_file import read_sealed, write_sealed
from eval.style_vectors import Space

SPACE = Space("style", "ab" * 32, 256)
CHILD = """
import os, sys
import numpy as np
from pathlib import Path
from eval.retrieval import StyleIndex
from eval.style_vectors import Space
path, style, ending = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
index = StyleIndex.load(path, Space("style", "ab" * 32, 256))
index.add(style, np.random.default_rng(1).normal(size=(8000, 256)), [str(i) for i in range(8000)])
print("saving", flush=True)
index.save(path)
if ending == "die":
    os.kill(os.getpid(), 9)
"""


def start(path: Path, style: str, ending: str) -> subprocess.Popen[str]:
    """A process that loads the index, adds a style and is about to save."""
    command = [sys.executable, "-c", CHILD, str(path), style, ending]
    root = Path(__file__).parents[2]
    child = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "saving\n"
    return child


def small(tmp_path: Path) -> tuple[Path, np.ndarray, StyleIndex]:
    queries = np.random.default_rng(0).normal(size=(20, 256))
    index = StyleIndex(SPACE)
    index.add("before", queries, [str(i) for i in range(20)])
    index.save(tmp_path / "styles")
    return tmp_path / "styles", queries, index


def test_killed_while_saving_leaves_the_old_index(tmp_path: Path) -> None:
    """Killed later and later, until once a half-written file is left: the save was under way."""
    path, queries, index = small(tmp_path)
    for attempt in range(20):
        child = start(path, f"half {attempt}", "live")
        time.sleep(0.003 * attempt)
        child.kill()
        child.wait()
        loaded = StyleIndex.load(path, SPACE)
        left = list(tmp_path.glob(".styles.part-*"))
        if any(file.stat().st_size for file in left):
            assert loaded.styles == index.styles
            assert loaded.search(queries, 5) == index.search(queries, 5)
            break
        index = loaded
    else:
        pytest.fail("no process was caught while it saved")
    for file in left:
        os.utime(file, (0, 0))
    index.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["styles"]


def test_killed_after_saving_keeps_the_new_index(tmp_path: Path) -> None:
    path, queries, index = small(tmp_path)
    child = start(path, "after", "die")
    assert child.wait() == -signal.SIGKILL
    index.add("after", np.random.default_rng(1).normal(size=(8000, 256)), [str(i) for i in range(8000)])
    assert StyleIndex.load(path, SPACE).search(queries, 30) == index.search(queries, 30)


def test_a_file_replaced_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    path, seen = tmp_path / "file", []

    def save(text: str) -> None:
        write_sealed(path, {"text": text}, lambda put: put(text.encode()))

    def read(file: Path, facts: dict[str, Any]) -> tuple[str, str]:
        seen.append(facts["text"])
        if len(seen) == 1:
            save("new")
        return file.read_bytes()[:3].decode(), facts["text"]

    save("old")
    assert read_sealed(path, read) == ("new", "new")
    assert seen == ["old", "new"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path, _, _ = small(tmp_path_factory.mktemp("index"))
    return path.read_bytes()


@settings(max_examples=60, deadline=None)
@given(
    where=st.floats(0, 1, exclude_max=True),
    change=st.integers(1, 255),
    how=st.sampled_from(["flip", "cut", "longer"]),
)
def test_damage_anywhere_is_one_clear_error(
    saved: bytes, where: float, change: int, how: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, place = tmp_path_factory.mktemp("damaged") / "styles", int(where * len(saved))
    flipped = bytes([saved[place] ^ change])
    content = {
        "flip": saved[:place] + flipped + saved[place + 1 :],
        "cut": saved[:place],
        "longer": saved + saved[place:],
    }
    path.write_bytes(content[how])
    with pytest.raises(EvalError, match=r"damaged|cut off|bytes") as caught:
        StyleIndex.load(path, SPACE)
    assert "again" in caught.value.hint
    assert str(path) in str(caught.value)


def test_a_place_that_cannot_hold_a_file_is_an_error(tmp_path: Path) -> None:
    _, _, index = small(tmp_path)
    (tmp_path / "file").write_text("text")
    with pytest.raises(EvalError, match="cannot be written"):
        index.save(tmp_path / "file" / "styles")
    (tmp_path / "folder").mkdir()
    with pytest.raises(EvalError, match="cannot be written"):
        index.save(tmp_path / "folder")
    with pytest.raises(EvalError, match="cannot be read"):
        StyleIndex.load(tmp_path / "folder", SPACE)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder", "styles"]

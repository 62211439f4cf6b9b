"""A folder of drawings as a set: what counts, what is told, how it is split."""

import os
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from fewshot.data.check import check_folder
from fewshot.data.style_set import StyleSet
from fewshot.errors import BadInputError, NotFoundError


def test_good_drawings_count_beside_bad_ones(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill(tmp_path, makers.BAD | makers.ODD)
    drawings = StyleSet.from_folder(tmp_path, size=48)
    assert {picture.path.name for picture in drawings} == set(makers.ODD)
    refused = {problem.path.name: problem for problem in drawings.problems if problem.kind == "unreadable"}
    assert set(refused) == set(makers.BAD)
    assert all(name in problem.message and problem.hint for name, problem in refused.items())
    assert [p.path.name for p in drawings.problems if p.kind == "notice"] == ["moving.gif"]


def test_pixels_tensor_and_sizes(tmp_path: Path, makers: ModuleType) -> None:
    drawings = StyleSet.from_folder(makers.fill_drawings(tmp_path / "pen", 6), size=32)
    batch = drawings.tensor()
    assert (batch.shape, batch.dtype) == ((6, 3, 32, 32), torch.uint8)
    assert np.array_equal(batch[2].permute(1, 2, 0).numpy(), drawings.pictures[2].pixels)
    assert (drawings.name, drawings.pictures[0].original_size) == ("pen", (200, 260))
    assert drawings.problems == ()
    assert len(set(drawings.hashes)) == 6


def test_exact_copies_count_once(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill_drawings(tmp_path, 5)
    shutil.copy(tmp_path / "ink-03.png", tmp_path / "zz.png")
    drawings = StyleSet.from_folder(tmp_path, size=32)
    assert len(drawings) == 5
    (problem,) = drawings.problems
    assert (problem.kind, problem.path.name) == ("duplicate", "zz.png")
    assert "ink-03.png" in problem.message


def test_few_drawings_warn_and_have_no_fold(tmp_path: Path, makers: ModuleType) -> None:
    drawings = StyleSet.from_folder(makers.fill_drawings(tmp_path, 4), size=32)
    assert [problem.kind for problem in drawings.problems] == ["few"]
    train, fold = drawings.split()
    assert (train is drawings, fold) == (True, None)


def test_nothing_usable_names_every_file(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill(tmp_path, makers.BAD)
    with pytest.raises(BadInputError) as caught:
        StyleSet.from_folder(tmp_path, size=32)
    assert all(name in str(caught.value) for name in makers.BAD)
    with pytest.raises(NotFoundError):
        StyleSet.from_folder(tmp_path / "nowhere", size=32)


def test_of_many_evenly_spaced_ones_are_kept(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill_drawings(tmp_path, 9)
    (tmp_path / "ink-04.png").write_bytes(b"")
    drawings = StyleSet.from_folder(tmp_path, size=32, limit=3)
    names = [picture.path.name for picture in drawings]
    assert len(names) == 3
    assert {names[0], names[2]} == {"ink-00.png", "ink-08.png"} or {"ink-00.png", "ink-08.png"} <= set(names)
    assert [problem.kind for problem in drawings.problems] == ["unreadable", "limit"]


def test_split_follows_content_and_seed_only(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill_drawings(tmp_path / "a", 10)
    (tmp_path / "b").mkdir()
    for i, path in enumerate(sorted((tmp_path / "a").iterdir(), reverse=True)):
        shutil.copy(path, tmp_path / "b" / f"{i}.png")
    first, again = (StyleSet.from_folder(tmp_path / name, size=32) for name in "ab")
    (train, fold), (_, other) = first.split(0.3, seed=1), again.split(0.3, seed=1)
    assert fold is not None
    assert other is not None
    assert (len(train), len(fold)) == (7, 3)
    assert set(train.hashes).isdisjoint(fold.hashes)
    assert set(fold.hashes) == set(other.hashes)
    folds = {frozenset(f.hashes) for seed in range(6) if (f := first.split(0.3, seed)[1]) is not None}
    assert len(folds) > 1
    with pytest.raises(ValueError, match="fraction"):
        first.split(1.0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_file_without_permission_is_a_problem(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill_drawings(tmp_path, 6)
    (tmp_path / "ink-00.png").chmod(0)
    assert "may not be read" in StyleSet.from_folder(tmp_path, size=32).problems[0].message


def test_in_grey_keeps_lightness_and_hashes(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill_drawings(tmp_path, 3, "paint")
    coloured = StyleSet.from_folder(tmp_path, size=32)
    grey = coloured.in_grey()
    assert grey.hashes == coloured.hashes
    for before, after in zip(coloured.tensor().float(), grey.tensor().float(), strict=True):
        assert (before[0] != before[2]).any()
        assert (after == after[:1]).all()
        lightness = 0.299 * before[0] + 0.587 * before[1] + 0.114 * before[2]
        assert (after[0] - lightness).abs().max() <= 0.5 + 1e-3


def test_blank_pages_are_no_drawings(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill_drawings(tmp_path, 5)
    Image.new("RGBA", (256, 256)).save(tmp_path / "hidden-layer.png")
    ink = Image.new("RGBA", (256, 256))
    ImageDraw.Draw(ink).ellipse((40, 40, 200, 200), outline=(255, 255, 255, 255), width=6)
    ink.save(tmp_path / "white-ink.png")
    drawings = StyleSet.from_folder(tmp_path, size=32)
    assert len(drawings) == 5
    told = {problem.path.name: problem.message for problem in drawings.problems}
    assert all("is blank" in told[name] for name in ("hidden-layer.png", "white-ink.png"))
    report = check_folder(tmp_path)
    assert {p.path.name for p in report.pictures if p.verdict == "unreadable"} == set(told)


def test_pictures_in_folders_inside_are_told(tmp_path: Path, makers: ModuleType) -> None:
    makers.fill_drawings(tmp_path, 5)
    assert not StyleSet.from_folder(tmp_path, size=32).problems
    for name in ("2023", ".hidden", "notes"):
        (tmp_path / name).mkdir()
    for number in range(3):
        makers.drawing().save(tmp_path / "2023" / f"{number}.png")
    (tmp_path / "notes" / "a.txt").write_text("no picture")
    (problem,) = StyleSet.from_folder(tmp_path, size=32).problems
    assert problem.message == f"{tmp_path}: pictures in folders inside it are not used: 2023/ (3)"

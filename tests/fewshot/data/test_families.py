"""Near copies of a drawing stay on one side of a fold."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from fewshot.data.duplicates import fingerprint, near_pairs
from fewshot.data.families import families
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_folder
from fewshot.selection.folds import make_folds

SIZE = 32


def with_copies(folder: Path, copies: dict[int, int], count: int = 9) -> StyleSet:
    """Sample drawings, some of which are there again: smaller, as JPEG, mirrored every other time."""
    folder.mkdir()
    for number, path in enumerate(sorted(sample_folder("ink").glob("*.webp"))[:count]):
        drawing = Image.open(path).convert("RGB")
        drawing.save(folder / f"{number:02d}.png")
        for copy in range(copies.get(number, 0)):
            small = drawing.resize((drawing.width * (9 - copy) // 10, drawing.height * (9 - copy) // 10))
            turned = small.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if copy % 2 else small
            turned.save(folder / f"{number:02d}-{copy}.jpg", quality=80)
    return StyleSet.from_folder(folder, size=SIZE)


def originals(drawings: StyleSet) -> set[str]:
    return {picture.path.stem[:2] for picture in drawings}


def test_copies_are_found_whatever_they_are_called(tmp_path: Path) -> None:
    drawings = with_copies(tmp_path / "a", {0: 1, 4: 2})
    found = families(drawings.pictures, 0)
    assert sorted(map(len, found)) == [1] * 7 + [2, 3]
    assert all(len({picture.path.stem[:2] for picture in family}) == 1 for family in found)
    backwards = families(tuple(reversed(drawings.pictures)), 0)
    assert [[p.hash for p in family] for family in backwards] == [
        [p.hash for p in family] for family in found
    ]


@pytest.mark.parametrize("seed", range(6))
def test_a_large_family_is_learned_from(tmp_path: Path, seed: int) -> None:
    """Variants of one character must not be all that a style is validated on."""
    drawings = with_copies(tmp_path / "a", {0: 7}, count=4)
    train, fold = drawings.split(0.2, seed)
    assert fold is not None
    assert (len(train), len(fold)) == (9, 2)


@pytest.mark.parametrize("seed", range(4))
def test_copies_of_copies_are_one_family(tmp_path: Path, seed: int) -> None:
    """A patch that was painted over makes a near copy; two patches are one too many beside the first."""
    paths = sorted(sample_folder("ink").glob("*.webp"))
    first = Image.open(paths[seed]).convert("RGB").resize((256, 256))
    for patches in range(3):
        painted = first.copy()
        for patch in range(patches):
            painted.paste((128, 20, 20), (8, 8 + 48 * patch, 40, 40 + 48 * patch))
        painted.save(tmp_path / f"{patches}.png")
    Image.open(paths[seed + 4]).convert("RGB").resize((256, 256)).save(tmp_path / "other.png")
    drawings = StyleSet.from_folder(tmp_path, size=SIZE)
    assert sorted(len(family) for family in families(drawings.pictures, seed)) == [1, 3]
    prints = [fingerprint(Image.fromarray(picture.whole), picture.hash) for picture in drawings]
    assert near_pairs(prints) == [(0, 1), (1, 2)]


@pytest.mark.parametrize("seed", range(4))
def test_no_copy_is_on_both_sides_of_a_fold(tmp_path: Path, seed: int) -> None:
    drawings = with_copies(tmp_path / "a", {0: 1, 4: 2, 7: 1})
    train, fold = drawings.split(0.3, seed)
    assert fold is not None
    assert not originals(train) & originals(fold)
    folds = make_folds(drawings, 3, seed)
    assert len(folds) == 3
    for rest, kept in folds:
        assert kept is not None
        assert len(kept) >= 2
        assert not originals(rest) & originals(kept)
        assert sorted([*rest.hashes, *kept.hashes]) == sorted(drawings.hashes)
    assert sum(len(kept) for _, kept in folds if kept) == len(drawings)


def test_where_all_are_copies_of_one_there_is_a_fold_all_the_same(tmp_path: Path) -> None:
    drawings = with_copies(tmp_path / "a", {0: 5}, count=1)
    train, fold = drawings.split(0.2)
    assert fold is not None
    assert (len(train), len(fold)) == (5, 1)
    assert [len(kept) for _, kept in make_folds(drawings, 3) if kept] == [3, 3]


def test_few_families_make_few_folds(tmp_path: Path) -> None:
    # Seven drawings would make three, but two of these three families are of one drawing.
    drawings = with_copies(tmp_path / "a", {0: 4}, count=3)
    assert [len(kept) for _, kept in make_folds(drawings, 3) if kept] == [5, 2]


def test_without_copies_a_fold_follows_hashes_alone(tmp_path: Path) -> None:
    drawings = with_copies(tmp_path / "a", {})
    ordered = sorted(drawings.hashes, key=lambda h: hashlib.sha256(f"0:{h}".encode()).digest())
    _, fold = drawings.split(0.3)
    assert fold is not None
    assert set(fold.hashes) == set(ordered[:3])
    for number, (_, kept) in enumerate(make_folds(drawings, 3)):
        assert kept is not None
        assert set(kept.hashes) == set(ordered[number::3])

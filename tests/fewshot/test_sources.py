"""Pictures to measure with: folders, archives and patterns; what cannot be read is named and counted."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fewshot.errors import BadInputError, NotFoundError, UsageError
from fewshot.evaluation.decoding import Framing
from fewshot.evaluation.sources import gather, gather_others, parse_indices, style_names
from fewshot.samples import sample_folder


def tar(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        archive.add(folder, folder.name)
    return path


@pytest.fixture
def mixed(tmp_path: Path, makers: ModuleType) -> Path:
    """A folder with four drawings of several sizes and formats and every kind of file that cannot be used."""
    folder = tmp_path / "mixed"
    makers.fill(folder, makers.BAD)
    for i, (size, name) in enumerate({(300, 200): "2.png", (64, 90): "10.webp", (40, 40): "x.bmp"}.items()):
        makers.drawing(i, size).save(folder / name, lossless=True)
    makers.drawing(9).save(folder / "photo.jpg")
    return folder


def test_folder_archive_and_pattern_give_the_same_pictures(mixed: Path, tmp_path: Path) -> None:
    folder = gather(mixed, 48)
    archive = gather(tar(mixed, tmp_path / "pack.tar"), 48)
    pattern = gather(mixed / "*.*", 48)
    assert folder.names == pattern.names == ("2", "10", "photo", "x")
    assert (folder.source, archive.source, pattern.source) == ("mixed", "pack.tar", "mixed/*.*")
    assert folder.hashes == pattern.hashes
    assert dict(zip(folder.names, folder.hashes, strict=True)) == dict(
        zip(archive.names, archive.hashes, strict=True)
    )
    assert folder.pixels.shape == (4, 3, 48, 48)
    assert folder.pixels.dtype == np.uint8


def test_what_cannot_be_read_is_counted_with_its_reason(
    mixed: Path, tmp_path: Path, makers: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in (mixed, mixed / "*", tar(mixed, tmp_path / "pack.tar")):
        skipped = gather(source, 48).skipped
        assert {Path(name).name for name, _ in skipped} == set(makers.BAD)
        assert all("expected" in reason and name in reason for name, reason in skipped)
        told = capsys.readouterr()
        assert told.out == ""
        assert all(f"{reason}; left out" in told.err for _, reason in skipped)


def test_hundreds_of_bad_pictures_do_not_fill_the_terminal(
    tmp_path: Path, makers: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    makers.drawing().save(tmp_path / "good.png")
    for i in range(200):
        (tmp_path / f"{i}.png").write_bytes(b"no picture")
    assert len(gather(tmp_path, 32).skipped) == 200
    told = capsys.readouterr().err
    assert told.count("left out") == 11
    assert "190 more pictures left out" in told


def test_order_and_pixels_do_not_depend_on_the_threads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shown = rng.integers(0, 256, (300, 40, 40, 3), dtype=np.uint8)
    for i, picture in enumerate(shown):
        Image.fromarray(picture).save(tmp_path / f"{i}.png", compress_level=1)
    found = gather(tmp_path, 40)
    assert found.names == tuple(map(str, range(300)))
    assert np.array_equal(found.pixels, shown.transpose(0, 3, 1, 2))
    some = found.rows([7, 2])
    assert (some.names, some.hashes) == (("7", "2"), (found.hashes[7], found.hashes[2]))


def test_a_lossless_copy_under_another_name_has_the_same_hash(mixed: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    with Image.open(mixed / "2.png") as image:
        image.save(copies / "a.webp", lossless=True)
        image.save(copies / "b.tiff")
        image.save(copies / "c.png", compress_level=1)
    assert set(gather(copies, 48).hashes) == {gather(mixed / "2.png*", 48).hashes[0]}


def test_patterns_match_files_and_say_so(mixed: Path, tmp_path: Path, makers: ModuleType) -> None:
    assert gather(tmp_path / "**" / "*.webp", 32).names == ("10",)
    for nothing in (mixed / "*.gif", tmp_path / "*", tmp_path / "nowhere*" / "*.png"):
        with pytest.raises(NotFoundError, match="no picture matches") as caught:
            gather(nothing, 32)
        assert "results/*.png" in caught.value.hint
    literal = makers.fill_drawings(tmp_path / "set [1]", 2)
    assert len(gather(literal, 32)) == 2


def test_as_they_are_the_pictures_have_to_be_of_one_size(mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"4 sizes \(2.png has 300x200, 10.webp has 64x90\)") as caught:
        gather(mixed, None)
    assert "--size" in caught.value.hint
    with Image.open(mixed / "2.png") as image:
        expected = np.asarray(image).transpose(2, 0, 1)
    for name in ("a.png", "b.png"):
        (tmp_path / "one").mkdir(exist_ok=True)
        shutil.copy(mixed / "2.png", tmp_path / "one" / name)
    assert np.array_equal(gather(tmp_path / "one", None).pixels, [expected, expected])


def test_sources_without_a_usable_picture_are_refused(tmp_path: Path, makers: ModuleType) -> None:
    bad = makers.fill(tmp_path / "bad", makers.BAD)
    for source in (bad, bad / "*.png", tar(bad, tmp_path / "bad.tar")):
        with pytest.raises(BadInputError, match="none of its pictures can be used") as caught:
            gather(source, 32)
        assert "empty.png" in str(caught.value)
    cut = tmp_path / "cut.tar"
    cut.write_bytes((tmp_path / "bad.tar").read_bytes()[:3000])
    with tarfile.open(tmp_path / "empty.tar", "w") as archive:
        member = tarfile.TarInfo("words.txt")
        archive.addfile(member, io.BytesIO())
    for path, words in ((cut, "not an intact"), (tmp_path / "empty.tar", "no picture in it")):
        with pytest.raises(BadInputError, match=words):
            gather(path, 32)
    with pytest.raises(NotFoundError, match="no such archive"):
        gather(tmp_path / "none.tar", 32)


@pytest.mark.parametrize("crop", ["auto", "face"])
def test_faces_are_framed_in_archives_as_in_folders(tmp_path: Path, crop: Framing) -> None:
    """And in the same order: 2 before 10."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("2", "10"):
        Image.fromarray(data.astronaut()).crop((150, 0, 310, 300)).save(folder / f"{name}.png")
    found, archived = gather(folder, 32, crop=crop), gather(tar(folder, tmp_path / "a.tar"), 32, crop=crop)
    assert found.names == archived.names == ("2", "10")
    assert (found.pixels == archived.pixels).all()
    assert (found.pixels != gather(folder, 32, crop="center").pixels).any()


def test_indices_that_no_picture_has_are_told_with_those_there_are(
    tmp_path: Path, makers: ModuleType
) -> None:
    folder = makers.fill_drawings(tmp_path / "set", 3)
    for source in (folder, tar(folder, tmp_path / "set.tar")):
        assert gather(source, 32, indices="1-2").names == ("ink-01", "ink-02")
        with pytest.raises(BadInputError, match="none of its 3 pictures is among --indices 7") as caught:
            gather(source, 32, indices="7")
        assert "from ink-00 to ink-02" in caught.value.hint


def test_indices_choose_by_the_number_at_the_end() -> None:
    wanted = parse_indices("3300-3301, 7")
    names = ["p/03299.webp", "p/03300.webp", "p/03301.webp", "x7.png", "7x.png", "photo.png"]
    assert [wanted(name) for name in names] == [False, True, True, True, False, False]


@pytest.mark.parametrize("text", ["", "x", "5-3", "1,,2", "-4"])
def test_indices_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="indices"):
        parse_indices(text)


def test_the_shipped_hands_are_negatives_except_the_artists_own() -> None:
    assert set(gather_others([], 32, artist=sample_folder("ink"))) == {"flat", "pastel", "riso"}


def test_styles_are_called_by_what_tells_them_apart() -> None:
    assert style_names([Path("/a/x/train"), Path("/a/y/train")]) == ["x/train", "y/train"]
    assert style_names([Path("/a/x"), Path("/b/y")]) == ["x", "y"]

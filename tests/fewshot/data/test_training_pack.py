"""The training pack: what gets in, what stays out, how it is kept small, and that it can be read back."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewshot.data import training_pack
from fewshot.data.align import middle_place
from fewshot.data.archives import read_pack_index, tar_bytes
from fewshot.data.faces import DrawnFaceFinder, FaceFinder
from fewshot.data.pack_inspect import Finders, Inspected, Kept, thin
from fewshot.data.packs import is_held_out, load_pack
from fewshot.data.training_pack import Group, PackSource, open_training_pack, write_training_pack
from fewshot.errors import BadInputError, ConflictError, NotFoundError, UsageError


@pytest.fixture(scope="module")
def finders(shared: Path) -> Finders:
    weights = shared / "weights"
    return Finders(
        FaceFinder(weights / "face_detection_yunet.onnx"),
        DrawnFaceFinder(weights / "lbpcascade_animeface.xml"),
    )


def pack_tar(path: Path, files: dict[str, bytes]) -> Path:
    path.write_bytes(tar_bytes(files))
    return path


def encoded(picture: np.ndarray, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def some(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, list[int]], Path]:
    """A small archive of chosen pictures of a shared one, under the same name."""
    folder = tmp_path_factory.mktemp("sources")

    def make(name: str, indices: list[int]) -> Path:
        wanted = {f"{name}/{index:05d}.webp" for index in indices}
        with tarfile.open(shared / "data" / f"{name}.tar") as archive:
            files = {
                member.name: handle.read()
                for member in archive
                if member.name in wanted and (handle := archive.extractfile(member))
            }
        return pack_tar(folder / f"{name}.tar", files)

    return make


@pytest.fixture(scope="module")
def sources(some: Callable[[str, list[int]], Path]) -> tuple[PackSource, ...]:
    return (
        PackSource(some("photos_256", [*range(6), 3300]), "photos", 0.6),
        PackSource(some("photos_lfw_112", list(range(6))), "photos", 0.4),
        PackSource(some("anime_256", [*range(6), 3399]), "drawings", 1.0),
        PackSource(some("anime_96", list(range(6))), "drawings", 0.3),
    )


def test_a_pack_holds_the_sources_aligned_and_without_held_out_pictures(
    sources: tuple[PackSource, ...], finders: Finders, tmp_path: Path
) -> None:
    path = tmp_path / "pack.tar"
    pack = write_training_pack(sources, path, finders)
    assert pack == open_training_pack(path)
    assert [(group.name, group.weight) for group in (*pack.photos, *pack.drawings)] == [
        ("photos/photos_256", 0.6),
        ("photos/photos_lfw_112", 0.4),
        ("drawings/anime_256", 1.0),
        ("drawings/anime_96", 0.3),
    ]
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert members[0].name == "pack.json"
    assert {(m.mtime, m.uid, m.gid, m.uname) for m in members} == {(0, 0, 0, "")}
    pictures = [m.name for m in members[1:]]
    assert all(name.endswith(".webp") for name in pictures)
    assert not any(is_held_out("pack", name) for name in pictures)
    rows = read_pack_index(path)["groups"]
    assert [row["px"] for row in rows] == [288, 112, 288, 96]
    assert [row["left_out"].get("held out", 0) for row in rows] == [1, 0, 1, 0]
    for group, row in zip((*pack.photos, *pack.drawings), rows, strict=True):
        loaded = load_pack(path, 64, within=group.name)
        assert loaded.names == tuple(sorted(name for name in pictures if name.startswith(group.name)))
        assert len(loaded) == group.count == row["count"] >= 5
        assert sum(row["left_out"].values()) + row["count"] == 6 + row["left_out"].get("held out", 0)
        assert loaded.pixels.shape == (group.count, 3, 64, 64)
        assert loaded.source == f"pack.tar/{group.name}"
    again = tmp_path / "again.tar"
    write_training_pack(sources, again, finders)
    assert again.read_bytes() == path.read_bytes()


def test_a_small_limit_lowers_the_quality_and_then_the_number(
    sources: tuple[PackSource, ...], finders: Finders, tmp_path: Path
) -> None:
    roomy = write_training_pack(sources, tmp_path / "roomy.tar", finders)
    assert roomy.index["quality"] == 90
    size = roomy.path.stat().st_size / 1e6
    small = write_training_pack(sources, tmp_path / "small.tar", finders, limit_mb=0.7 * size)
    assert 60 <= small.index["quality"] < 90
    assert [g.count for g in small.photos] == [g.count for g in roomy.photos]
    assert small.path.stat().st_size <= 0.7e6 * size
    tiny = write_training_pack(sources, tmp_path / "tiny.tar", finders, limit_mb=0.3 * size)
    assert tiny.index["quality"] == 60
    assert sum(g.count for g in tiny.photos) < sum(g.count for g in roomy.photos)
    assert tiny.path.stat().st_size <= 0.3e6 * size


def test_what_is_wrong_with_a_picture_is_counted(
    sources: tuple[PackSource, ...], finders: Finders, tmp_path: Path
) -> None:
    with tarfile.open(sources[0].path) as archive:
        photo = np.asarray(Image.open(archive.extractfile("photos_256/00000.webp") or ""))
        other = np.asarray(Image.open(archive.extractfile("photos_256/00001.webp") or ""))
    framed = np.full_like(photo, 255)
    framed[:, 30:226] = photo[:, 30:226]
    narrow = np.full_like(photo, 255)
    narrow[:, 80:176] = photo[:, 80:176]
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    files = {
        "1.png": encoded(photo),
        "2.jpg": encoded(photo, "JPEG"),
        "3.png": encoded(grey),
        "4.png": encoded(narrow),
        "5.png": b"no picture",
        "6.png": encoded(noise),
        "7.png": encoded(framed),
        "inner/8.png": encoded(other),
    }
    photos = PackSource(pack_tar(tmp_path / "mine.tar", files), "photos", 1.0)
    pack = write_training_pack([photos, sources[2]], tmp_path / "pack.tar", finders)
    row = pack.index["groups"][0]
    assert row["left_out"] == {"copy": 1, "frame": 1, "grey": 1, "no face": 1, "unreadable": 1}
    assert (row["count"], row["frames_cut"], row["no_face_found"]) == (3, 1, 0)
    with tarfile.open(pack.path) as archive:
        names = [name for name in archive.getnames() if name.startswith("photos/")]
    assert names == ["photos/mine/1.webp", "photos/mine/7.webp", "photos/mine/inner__8.webp"]


def test_low_resolution_sources_are_thinned_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_pack, "_FEWEST", 20)
    random = np.random.default_rng(0)

    def looked(px: int) -> Inspected:
        data = encoded(random.integers(0, 255, (px, px, 3), np.uint8))
        kept = tuple(Kept(str(index), data, middle_place([]), True) for index in range(100))
        return Inspected(kept, px, {}, 0)

    sources = [looked(128), looked(32)]
    means = [training_pack._mean_bytes(found, found.px, 60) for found in sources]
    for limit, wanted in (
        (100 * means[0] + 50 * means[1], (100, 50)),
        (50 * means[0] + 10 * means[1], (50, 10)),
    ):
        quality, counts = training_pack._fit(sources, [128, 32], limit)
        assert quality == 60
        assert counts == pytest.approx(wanted, abs=1)


def test_thinning_is_even() -> None:
    assert thin(range(10), 5) == [0, 2, 4, 6, 8]
    assert thin(range(3), 9) == [0, 1, 2]
    assert thin([], 4) == []


def test_sources_that_do_not_fit_together_are_refused(tmp_path: Path, finders: Finders) -> None:
    for name in ("a/mine.tar", "b/mine.tar", "drawings.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pack_tar(tmp_path / name, {})
    a, b = (PackSource(tmp_path / part / "mine.tar", "photos", 1.0) for part in "ab")
    drawings = PackSource(tmp_path / "drawings.tar", "drawings", 1.0)
    out = tmp_path / "out.tar"
    with pytest.raises(UsageError, match="no drawings"):
        write_training_pack([a], out, finders)
    with pytest.raises(UsageError, match="photos/mine"):
        write_training_pack([a, b, drawings], out, finders)
    with pytest.raises(NotFoundError, match="nowhere"):
        write_training_pack([PackSource(tmp_path / "nowhere", "photos", 1.0), drawings], out, finders)
    with pytest.raises(BadInputError, match="no picture left"):
        write_training_pack([a, drawings], out, finders)
    before = a.path.read_bytes()
    with pytest.raises(ConflictError, match="one of the sources"):
        write_training_pack([a, drawings], tmp_path / "b" / ".." / "a" / "mine.tar", finders)
    assert a.path.read_bytes() == before
    assert not out.exists()


def test_only_a_training_pack_is_opened_as_one(tmp_path: Path) -> None:
    good = {"size": 288, "groups": [{"name": "photos/a", "weight": 1, "count": 3, "px": 40}]}
    pack = open_training_pack(pack_tar(tmp_path / "good.tar", {"pack.json": json.dumps(good).encode()}))
    assert (pack.photos, pack.drawings) == ((Group("photos/a", 1.0, 3, 40),), ())
    with pytest.raises(NotFoundError, match="nowhere"):
        open_training_pack(tmp_path / "nowhere.tar")
    for name, content, message in (
        ("none.tar", {"1.txt": b"x"}, r"no pack\.json"),
        ("cut.tar", {"pack.json": b'{"size": 28'}, "damaged"),
        ("other.tar", {"pack.json": b'{"size": 288}'}, "not one of a training pack"),
    ):
        with pytest.raises(BadInputError, match=message) as caught:
            open_training_pack(pack_tar(tmp_path / name, content))
        assert "fewshot base pack" in caught.value.hint

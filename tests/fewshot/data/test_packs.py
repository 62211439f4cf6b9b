"""Packs and domains: decoding, the cache, held-out pictures, and batches that can be drawn again."""

import io
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fewshot.data.archives import free_name, tar_bytes
from fewshot.data.draws import Draws
from fewshot.data.loader import Domain
from fewshot.data.packs import Pack, is_held_out, load_pack
from fewshot.errors import BadInputError, NotFoundError


def png(colour: tuple[int, ...], size: tuple[int, int] = (40, 40), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def write(folder: Path, names: list[str]) -> Path:
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png((index, 100, 200)))
    return folder


def pack_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("source", "name", "held"),
    [
        ("photos_256", "photos_256/03299.webp", False),
        ("photos_256", "photos_256/03300.webp", True),
        ("photos_256", "03399.webp", True),
        ("photos_256", "photos_256/03400.webp", False),
        ("anime_256", "anime_256/03350.webp", True),
        ("copy", "inner/anime_256/03350.png", True),
        ("anime_96", "anime_96/03350.webp", False),
        ("facades_512x256", "facades_512x256/00239.webp", False),
        ("facades_512x256", "facades_512x256/00240.webp", True),
        ("heldout", "1.png", True),
        ("cuhk_sketch", "heldout_photos/1.webp", True),
        ("cuhk_sketch", "train/heldout.webp", False),
        ("mine", "03350.png", False),
        ("pack", "photos/photos_256/03312.webp", True),
        ("pack", "photos/photos_256/03299.webp", False),
    ],
)
def test_the_list_of_what_is_held_out(source: str, name: str, held: bool) -> None:
    assert is_held_out(source, name) is held


def test_held_out_pictures_are_left_out_of_packs(tmp_path: Path) -> None:
    files = {f"anime_256/{index:05d}.png": png((index % 256, 0, 0)) for index in (3298, 3299, 3300, 3399)}
    pack = load_pack(pack_tar(tmp_path / "anime_256.tar", files), 32)
    assert pack.names == ("anime_256/03298.png", "anime_256/03299.png")
    folder = write(tmp_path / "artist", ["train/1.png", "heldout/2.png", "heldout_photos/3.png"])
    assert load_pack(folder, 32).names == ("train/1.png",)
    for inside in (folder / "heldout", write(folder / "heldout" / "deep", ["4.png"])):
        with pytest.raises(BadInputError, match="held out"):
            load_pack(inside, 32)
    link = tmp_path / "link"
    link.symlink_to(folder / "heldout" / "deep")
    with pytest.raises(BadInputError, match="held out"):
        load_pack(link, 32)


def test_the_shared_packs_keep_their_last_hundred_back(shared: Path) -> None:
    for name in ("photos_256", "anime_256"):
        archive = shared / "data" / f"{name}.tar"
        with tarfile.open(archive) as opened:
            names = [member.name for member in opened if member.isfile()]
        left = {Path(n).stem for n in names} - {Path(n).stem for n in names if is_held_out(name, n)}
        assert max(left) == "03299"
        assert len(left) == 3300


def test_folder_and_archive_give_the_same_pixels(tmp_path: Path) -> None:
    files = {f"{name}.png": png((index, 9, 9), (64, 40)) for index, name in enumerate("cab")}
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    one, other = load_pack(folder, 16), load_pack(pack_tar(tmp_path / "a.tar", files), 16)
    assert one.names == other.names == ("a.png", "b.png", "c.png")
    assert one.pixels.shape == (3, 3, 16, 16)
    assert np.array_equal(one.pixels, other.pixels)
    assert one.pixels[:, 0, 0, 0].tolist() == [1, 2, 0]


def test_pictures_are_squared_upright_and_on_white(tmp_path: Path) -> None:
    wide = Image.new("RGB", (96, 32), (255, 0, 0))
    wide.paste((0, 0, 255), (32, 0, 64, 32))
    exif = Image.Exif()
    exif[274] = 6
    turned = Image.new("RGB", (40, 40), (0, 0, 0))
    turned.paste((255, 255, 255), (0, 0, 40, 20))
    folder = tmp_path / "pictures"
    folder.mkdir()
    wide.save(folder / "1.png")
    (folder / "2.png").write_bytes(png((0, 0, 0, 0), mode="RGBA"))
    turned.save(folder / "3.png", exif=exif)
    pixels = load_pack(folder, 32).pixels
    assert pixels[0, :, 16, 16].tolist() == [0, 0, 255]
    assert pixels[1].min() == 255
    # White above becomes white on the right when turned clockwise.
    assert (pixels[2, 0, 16, 2], pixels[2, 0, 16, 29]) == (0, 255)


def test_unreadable_pictures_are_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "mixed", ["1.png", "2.png"])
    (folder / "broken.png").write_text("no picture")
    (folder / "notes.txt").write_text("no picture either")
    cache = tmp_path / "cache"
    (folder / "phone.heic").write_bytes(png((1, 2, 3)))
    assert load_pack(folder, 16, cache=cache).names == ("1.png", "2.png")
    told = capsys.readouterr().err
    assert "2 of 4 pictures" in told
    assert "broken.png" in told
    assert "phone.heic: .heic files cannot be read here" in told
    assert not cache.exists()
    (folder / "1.png").write_text("x")
    (folder / "2.png").write_text("x")
    with pytest.raises(BadInputError, match="could be read"):
        load_pack(folder, 16)


def test_damage_in_an_archive_is_told_and_repeats_count_once(tmp_path: Path) -> None:
    pictures = {f"{number:02d}.png": png((number, 1, 1)) for number in range(10)}
    whole = pack_tar(tmp_path / "pack.tar", pictures)
    with tarfile.open(whole) as archive:
        fifth = archive.getmembers()[5].offset
    with tarfile.open(whole, "a") as archive:
        member = tarfile.TarInfo("00.png")
        member.size = len(png((200, 1, 1)))
        archive.addfile(member, io.BytesIO(png((200, 1, 1))))
    assert len(load_pack(whole, 16)) == 10
    damaged = bytearray(whole.read_bytes())
    damaged[fifth + 3] ^= 1
    whole.write_bytes(damaged)
    with pytest.raises(BadInputError, match="header in it is damaged"):
        load_pack(whole, 16)


def test_only_pictures_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow draws EPS by starting Ghostscript.
    started: list[object] = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *given, **_: started.append(given))
    folder = write(tmp_path / "mixed", ["1.png"])
    (folder / "2.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"
    )
    assert load_pack(folder, 16).names == ("1.png",)
    assert not started


def test_names_in_an_archive_are_free_and_short() -> None:
    taken = {"photos/a/x__y.webp"}
    assert free_name(taken, "photos/a", "x__y", ".webp") == "photos/a/x__y-2.webp"
    names = {free_name((), "photos/a", "漢" * 100 + end, ".webp") for end in "12"}
    assert len(names) == 2
    assert tar_bytes(dict.fromkeys(names, b"x"))


def test_sources_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        load_pack(tmp_path / "nowhere", 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match="found none"):
        load_pack(tmp_path / "empty", 16)
    (tmp_path / "no.tar").write_text("x" * 2000)
    with pytest.raises(BadInputError, match="intact"):
        load_pack(tmp_path / "no.tar", 16)
    whole = pack_tar(tmp_path / "cut.tar", {"1.png": png((1, 1, 1)), "2.png": b"x" * 5000})
    whole.write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(BadInputError, match="intact"):
        load_pack(whole, 16)


def test_the_cache_is_read_and_made_again_when_the_source_or_the_cache_changed(tmp_path: Path) -> None:
    folder, cache = write(tmp_path / "folder", ["1.png", "2.png"]), tmp_path / "cache"
    first = load_pack(folder, 16, cache=cache)
    (file,) = cache.iterdir()
    again = load_pack(folder, 16, cache=cache)
    assert isinstance(again.pixels, np.memmap)
    assert np.array_equal(first.pixels, again.pixels)
    (folder / "2.png").write_bytes(png((77, 77, 77), (50, 50)))
    assert load_pack(folder, 16, cache=cache).pixels[1, 0, 0, 0] == 77
    assert len(list(cache.iterdir())) == 2
    for damaged in (b"", file.read_bytes()[:200]):
        for path in cache.iterdir():
            path.write_bytes(damaged)
        assert load_pack(folder, 16, cache=cache).pixels[1, 0, 0, 0] == 77


def test_a_mapped_pack_is_used_in_place_without_a_warning(tmp_path: Path) -> None:
    folder, cache = write(tmp_path / "folder", ["1.png", "2.png"]), tmp_path / "cache"
    load_pack(folder, 16, cache=cache)
    pack = load_pack(folder, 16, cache=cache)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        domain = Domain([pack])
    assert domain.pixels[0].data_ptr() == pack.pixels.ctypes.data


def test_batches_depend_on_the_generator_alone_and_follow_the_weights() -> None:
    packs = [Pack(str(value), ("a", "b"), np.full((2, 3, 4, 4), value, np.uint8)) for value in (1, 2)]
    domain = Domain(packs, [3.0, 1.0])
    assert len(domain) == 4
    one, other = (domain.draw(Draws(torch.Generator().manual_seed(5), 2000)) for _ in range(2))
    assert one.dtype == torch.uint8
    assert torch.equal(one, other)
    assert 0.2 < float((one[:, 0, 0, 0] == 2).float().mean()) < 0.3


def test_a_limit_takes_evenly_spaced_pictures(tmp_path: Path) -> None:
    for index in range(10):
        Image.new("RGB", (40, 40), (index, 0, 0)).save(tmp_path / f"{index}.png")
    pack = load_pack(tmp_path, 32, limit=5)
    assert pack.names == ("0.png", "2.png", "4.png", "6.png", "8.png")
    assert pack.pixels[:, 0, 0, 0].tolist() == [0, 2, 4, 6, 8]


def test_one_folder_of_a_source_is_read_alone_and_cached_apart(tmp_path: Path) -> None:
    files = {
        "photos/a/1.png": png((1, 0, 0)),
        "photos/ab/1.png": png((2, 0, 0)),
        "drawings/anime_256/1.png": png((3, 0, 0)),
        "drawings/anime_256/03312.png": png((9, 9, 9)),
    }
    archive, cache = pack_tar(tmp_path / "pack.tar", files), tmp_path / "cache"
    for within, value in (("photos/a", 1), ("photos/ab", 2), ("drawings/anime_256", 3), ("photos/a", 1)):
        pack = load_pack(archive, 16, cache=cache, within=within)
        assert pack.names == (f"{within}/1.png",)
        assert pack.pixels[0, 0, 0, 0] == value
        assert pack.source == f"pack.tar/{within}"
    with pytest.raises(BadInputError, match=r"pack\.tar/photos/none"):
        load_pack(archive, 16, within="photos/none")

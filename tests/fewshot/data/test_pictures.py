"""Every kind of picture file: what can be used comes out right, what cannot is refused by name."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageCms

from fewshot.data.pictures import content_hash, list_pictures, open_picture, read_picture, to_square
from fewshot.errors import BadInputError, FewshotError, NotFoundError

EXPECTED = {
    "empty.png": "0 bytes",
    "text.png": "a text file",
    "cut.jpg": "cut off",
    "one.png": "too small (1x1",
    "huge.png": "too large",
    "phone.heic": ".heic files cannot be read",
    "zeros.webp": "not a picture",
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_unusable_files_are_refused_by_name(
    tmp_path: Path, makers: ModuleType, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    makers.BAD[name](tmp_path / name)
    with pytest.raises(BadInputError) as caught:
        open_picture(tmp_path / name)
    assert name in str(caught.value)
    assert EXPECTED[name] in str(caught.value)
    assert caught.value.hint
    assert capfd.readouterr() == ("", "")


def test_odd_files_open_as_rgb(tmp_path: Path, makers: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    for name, make in makers.ODD.items():
        make(tmp_path / name)
        image = open_picture(tmp_path / name)
        assert (name, image.mode) == (name, "RGB")
        assert min(image.size) >= 32
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_tag_is_applied(tmp_path: Path, makers: ModuleType, orientation: int) -> None:
    makers.rotated(tmp_path / "a.jpg", orientation)
    opened = read_picture(tmp_path / "a.jpg")
    assert opened.image.size == (96, 64)
    found = np.asarray(opened.image).astype(int)
    for (y, x), colour in zip(
        [(16, 24), (16, 72), (48, 24), (48, 72)],
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)],
        strict=True,
    ):
        assert np.abs(found[y, x] - colour).max() < 12
    assert ("turned upright" in opened.changes) == (orientation != 1)


def test_rotation_tag_in_png_with_alpha(tmp_path: Path, makers: ModuleType) -> None:
    exif = Image.Exif()
    exif[274] = 3
    turned = makers.quarters().transpose(Image.Transpose.ROTATE_180).convert("RGBA")
    turned.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(open_picture(tmp_path / "a.png")), np.asarray(makers.quarters()))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, makers: ModuleType, suffix: str) -> None:
    Image.fromarray(makers.ramp16()).save(tmp_path / f"a{suffix}")
    row = np.asarray(open_picture(tmp_path / f"a{suffix}"))[10, :, 0].astype(int)
    assert np.abs(row - np.arange(256)).max() <= 1


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_float_grey_is_scaled_by_its_usual_range(tmp_path: Path, top: float) -> None:
    ramp = np.tile(np.linspace(0, top, 256, dtype=np.float32), (64, 1))
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    row = np.asarray(open_picture(tmp_path / "a.tif"))[10, :, 2].astype(int)
    assert np.abs(row - np.arange(256)).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 32, 64))
    if mode == "P":
        flat = Image.new("P", (64, 64), 1)
        flat.putpalette([0, 0, 0, 90, 90, 90])
        flat.paste(0, (0, 0, 32, 64))
        flat.save(tmp_path / "a.png", transparency=1)
    else:
        picture.convert(mode).save(tmp_path / "a.png")
    found = np.asarray(open_picture(tmp_path / "a.png"))
    assert (found[:, :32] == 0).all()
    assert (found[:, 32:] == 255).all()


def test_cmyk_keeps_its_colours(tmp_path: Path, makers: ModuleType) -> None:
    makers.quarters().convert("CMYK").save(tmp_path / "a.tif")
    assert np.array_equal(np.asarray(open_picture(tmp_path / "a.tif")), np.asarray(makers.quarters()))


def display_p3(name: bytes = b"Display P3", gamma: float = 2.2) -> bytes:
    """An ICC profile (ICC.1:2001-04, 6.3.1.2): Display P3's primaries, adapted to D50."""

    def fixed(*values: float) -> bytes:
        return b"".join(round(value * 65536).to_bytes(4, "big", signed=True) for value in values)

    name += b"\0"
    xyz = {"rXYZ": (0.51512, 0.24120, -0.00105), "gXYZ": (0.29198, 0.69225, 0.04189)}
    xyz |= {"bXYZ": (0.15710, 0.06657, 0.78407), "wtpt": (0.9642, 1.0, 0.8249)}
    tags = {"desc": b"desc\0\0\0\0" + len(name).to_bytes(4, "big") + name + bytes(78)}
    tags |= {tag: b"XYZ \0\0\0\0" + fixed(*values) for tag, values in xyz.items()}
    curve = b"curv\0\0\0\0" + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big")
    tags |= dict.fromkeys(("rTRC", "gTRC", "bTRC"), curve)
    table, body = len(tags).to_bytes(4, "big"), b""
    for tag, content in tags.items():
        at = 128 + 4 + 12 * len(tags) + len(body)
        table += tag.encode() + at.to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += content + bytes(-len(content) % 4)
    head = bytes(8) + bytes.fromhex("02400000") + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += fixed(0.9642, 1.0, 0.8249)
    head += bytes(128 - len(head))
    whole = head + table + body
    return len(whole).to_bytes(4, "big") + whole[4:]


@pytest.mark.parametrize("kind", ["RGB.png", "RGBA.png", "P.png", "RGB.jpg"])
def test_colours_of_another_profile_become_srgb(tmp_path: Path, kind: str) -> None:
    """A phone's Display P3; reference: the matrix between both, linear light (CSS Color 4, sample code)."""
    mode, _, _ = kind.partition(".")
    stored = np.array([(208, 90, 40), (90, 180, 90), (220, 180, 150), (128, 128, 128)], float)
    to_srgb = np.array([(1.22494, -0.22494, 0), (-0.04206, 1.04206, 0), (-0.01964, -0.07864, 1.09827)])
    linear = np.clip((stored / 255) ** 2.2 @ to_srgb.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    pixels = np.repeat(np.repeat(stored[None], 16, 1), 64, 0).astype(np.uint8)
    image = Image.fromarray(pixels).quantize(8) if mode == "P" else Image.fromarray(pixels).convert(mode)
    path = tmp_path / kind
    image.save(path, icc_profile=display_p3(), quality=100, subsampling=0)
    opened = read_picture(path)
    found = np.asarray(opened.image)[32, 8::16].astype(float)
    assert np.abs(found - 255 * encoded).max() <= 3
    assert "colours of Display P3 to sRGB" in opened.changes
    assert "icc_profile" not in opened.image.info


def test_a_linear_profile_that_is_called_srgb_is_converted(tmp_path: Path) -> None:
    grey = Image.new("RGB", (64, 64), (55, 55, 55))
    grey.save(tmp_path / "a.png", icc_profile=display_p3(b"Linear sRGB", 1.0))
    opened = read_picture(tmp_path / "a.png")
    # IEC 61966-2-1 of 55 / 255.
    assert np.abs(np.asarray(opened.image).astype(int) - 128).max() <= 2
    assert "colours of Linear sRGB to sRGB" in opened.changes


@pytest.mark.parametrize(
    "icc",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
        b"no profile" * 20,
    ],
    ids=["sRGB", "of another mode", "damaged"],
)
def test_profiles_that_change_nothing_leave_the_pixels(tmp_path: Path, icc: bytes) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=icc)
    opened = read_picture(tmp_path / "a.png")
    assert (np.asarray(opened.image) == pixels).all()
    assert opened.changes == ()


def test_cie_lab_keeps_its_colours(tmp_path: Path, makers: ModuleType) -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    stored = ImageCms.profileToProfile(makers.quarters(), srgb, lab, outputMode="LAB")
    assert stored is not None
    stored.save(tmp_path / "a.tif")
    opened = read_picture(tmp_path / "a.tif")
    assert opened.changes == ("CIE Lab to RGB",)
    difference = np.asarray(opened.image).astype(int) - np.asarray(makers.quarters())
    # Eight bits of Lab hold the strongest blue to within 22 levels; a wrong sign of a or b is off by 100.
    assert np.abs(difference).max() < 25


def test_animation_gives_its_first_frame_and_says_so(tmp_path: Path, makers: ModuleType) -> None:
    makers.animated(tmp_path / "a.gif")
    opened = read_picture(tmp_path / "a.gif")
    assert opened.image.getpixel((5, 5)) == (255, 0, 0)
    assert opened.notices == ("3 frames, the first is used",)


def test_plain_picture_needs_no_change(tmp_path: Path, makers: ModuleType) -> None:
    makers.drawing().save(tmp_path / "a.png")
    opened = read_picture(tmp_path / "a.png")
    assert (opened.changes, opened.notices) == ((), ())


def test_content_hash_ignores_the_file(tmp_path: Path, makers: ModuleType) -> None:
    image = makers.drawing()
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.bmp")
    assert content_hash(open_picture(tmp_path / "a.png")) == content_hash(open_picture(tmp_path / "b.bmp"))
    wide, tall = Image.new("RGB", (64, 32)), Image.new("RGB", (32, 64))
    assert content_hash(wide) != content_hash(tall)


def test_list_is_natural_and_leaves_other_files_out(tmp_path: Path) -> None:
    for name in ("10.png", "2.PNG", "a²3.jpg", ".hidden.png", "notes.txt", "1.webp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["1.webp", "2.PNG", "10.png", "a²3.jpg"]


def test_missing_empty_and_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        list_pictures(tmp_path / "nowhere")
    with pytest.raises(BadInputError, match="an empty folder"):
        list_pictures(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(BadInputError, match="is a file"):
        list_pictures(tmp_path / "a.txt")
    with pytest.raises(NotFoundError):
        open_picture(tmp_path / "nowhere.png")
    with pytest.raises(BadInputError, match="is a folder"):
        open_picture(tmp_path)


def test_a_folder_of_folders_says_which_verb_takes_it(tmp_path: Path) -> None:
    for name in ("10 lee", "2 kim"):
        (tmp_path / name).mkdir()
    with pytest.raises(BadInputError) as raised:
        list_pictures(tmp_path)
    assert "2 of them folders" in str(raised.value)
    assert "2 kim" in (raised.value.hint or "")
    assert "adapt-many" in (raised.value.hint or "")


def test_square_crop_takes_the_middle_and_pad_the_paper() -> None:
    paper = Image.new("RGB", (400, 200), (240, 230, 200))
    paper.paste((0, 0, 0), (150, 50, 250, 150))
    crop, pad = to_square(paper, 64), to_square(paper, 64, "pad")
    assert crop.shape == pad.shape == (64, 64, 3)
    assert crop.dtype == pad.dtype == np.uint8
    assert (crop[32, 32] == 0).all()
    assert crop[32, 12].min() > 150
    assert (pad[2, 32] == (240, 230, 200)).all()
    assert 0.04 < (pad[..., 0] < 120).mean() < 0.09


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(to_square(Image.fromarray(stripes), 32).astype(int) - 127).max() < 30


def test_reading_pictures_loads_no_heavy_library() -> None:
    code = "import sys, fewshot.data.style_set, fewshot.data.check, fewshot.cli.check; "
    code += "print(sorted({'torch', 'cv2', 'sklearn', 'timm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_refusal_is_one_error_type() -> None:
    assert issubclass(BadInputError, FewshotError)
    assert BadInputError.exit_code == 3

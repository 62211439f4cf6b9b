"""Bad and odd picture files, made for real: what people have in their folders."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps


def drawing(seed: int = 0, size: tuple[int, int] = (200, 260), hand: str = "ink") -> Image.Image:
    """A scripted RGB drawing, `hand` being `ink` (black lines on white) or `paint` (soft coloured blots)."""
    rng = np.random.default_rng(seed)
    width, height = size
    if hand == "ink":
        image = Image.new("RGB", size, (255, 255, 255))
        draw = ImageDraw.Draw(image)
        for _ in range(14):
            points = [(float(x), float(y)) for x, y in rng.uniform((0, 0), (width, height), (4, 2))]
            draw.line(points, fill=(10, 10, 10), width=int(rng.integers(2, 5)), joint="curve")
        return image
    if hand != "paint":
        raise ValueError(f"no hand called {hand}")
    coarse = rng.uniform(60, 220, (7, 7, 3)) * np.array([1.0, 0.7, 0.5])
    blots = Image.fromarray(coarse.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = rng.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(blots) + grain, 0, 255).astype(np.uint8))


def quarters(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Red, green, blue and white quarters (top left, top right, bottom left, bottom right): shows any
    turn."""
    width, height = size
    image = Image.new("RGB", size, (255, 255, 255))
    image.paste((255, 0, 0), (0, 0, width // 2, height // 2))
    image.paste((0, 255, 0), (width // 2, 0, width, height // 2))
    image.paste((0, 0, 255), (0, height // 2, width // 2, height))
    return image


def rotated(path: Path, orientation: int) -> None:
    """`quarters` as a JPEG whose stored pixels are turned and whose EXIF tag says how to turn them back."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = quarters()
    stored = image if undo is None else image.transpose(undo)
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(path, quality=98, subsampling=0, exif=exif.tobytes())


def huge(path: Path) -> None:
    """A valid 20,000 x 20,000 one-bit PNG of about 50 kB, written by hand since encoding it would take
    seconds."""
    side = 20_000
    row = b"\0" + b"\0" * (side // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def truncated(path: Path) -> None:
    """A JPEG that ends half way."""
    drawing().save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def ramp16() -> NDArray[np.uint16]:
    """`(64, 256)`: a grey ramp over the whole 16-bit range."""
    return np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (64, 1))


def animated(path: Path) -> None:
    """Three frames, the first red with a black stroke in the middle."""
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "lime", "blue")]
    frames[0].paste("black", (30, 30, 34, 34))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)


BAD: dict[str, Callable[[Path], object]] = {
    "empty.png": lambda path: path.write_bytes(b""),
    "text.png": lambda path: path.write_text("this is not a picture\n"),
    "cut.jpg": truncated,
    "one.png": lambda path: Image.new("RGB", (1, 1)).save(path),
    "huge.png": huge,
    "phone.heic": lambda path: path.write_bytes(b"\0\0\0\x18ftypheic"),
    "zeros.webp": lambda path: path.write_bytes(b"\0" * 4096),
}
"""File name to what writes it; none can be used, each for another reason."""

ODD: dict[str, Callable[[Path], object]] = {
    "cmyk.jpg": lambda path: drawing(1).convert("CMYK").save(path),
    "sixteen.png": lambda path: Image.fromarray(ramp16()).save(path),
    "palette.png": lambda path: drawing(2).convert("P", palette=Image.Palette.ADAPTIVE).save(path),
    "grey.png": lambda path: drawing(3).convert("L").save(path),
    "bitmap.tif": lambda path: drawing(4).convert("1").save(path, compression="group4"),
    "alpha.png": lambda path: ImageOps.expand(Image.new("RGBA", (32, 32), "navy"), 16, (0, 0, 0, 0)).save(
        path
    ),
    "turned.jpg": lambda path: rotated(path, 6),
    "moving.gif": animated,
    "my best drawing (2).png": lambda path: drawing(5).save(path),
    "猫の絵 №1 é.png": lambda path: drawing(6).save(path),
    "really a jpeg.png": lambda path: drawing(7).save(path, format="JPEG"),
}
"""File name to what writes it; every one can be used."""


def fill(folder: Path, makers: dict[str, Callable[[Path], object]]) -> Path:
    """Write the files of `makers` into `folder`, which is made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in makers.items():
        make(folder / name)
    return folder


def fill_drawings(folder: Path, count: int, hand: str = "ink", start: int = 0) -> Path:
    """Write `count` scripted drawings of one hand, `NAME-00.png` on."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        drawing(start + i, hand=hand).save(folder / f"{hand}-{i:02d}.png")
    return folder

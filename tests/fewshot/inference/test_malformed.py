"""Damaged and odd pictures through the whole way: drawn or named, no traceback, never out of memory."""

import io
import random
import resource
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from skimage import data

from base_models.arrays import load_arrays
from fewshot.inference.onnx_engine import OnnxEngine
from fewshot.inference.preparing import Framing
from fewshot.inference.stylize import stylize_paths

KINDS: dict[str, dict[str, Any]] = {
    "PNG": {}, "JPEG": {"quality": 90}, "WEBP": {"quality": 80}, "GIF": {}, "BMP": {}, "TIFF": {}, "AVIF": {},
}  # fmt: skip
SUFFIXES = {"JPEG": "jpg", "TIFF": "tif"}
MOST = 1_000_000_000


@pytest.fixture(scope="module")
def engine() -> OnnxEngine:
    return OnnxEngine(load_arrays("scan_tiny"))


def whole_files(makers: ModuleType) -> dict[str, bytes]:
    """A face and a drawing in every format."""
    face = Image.fromarray(data.astronaut()[:256, 96:352]).resize((96, 96))
    made = {}
    for kind, options in KINDS.items():
        for name, image in (("face", face), ("drawing", makers.drawing(hand="paint", size=(60, 44)))):
            buffer = io.BytesIO()
            image.save(buffer, format=kind, **options)
            made[f"{name}.{SUFFIXES.get(kind, kind.lower())}"] = buffer.getvalue()
    return made


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Cut off, flipped, lengthened, headers that promise other sizes, or somebody else's header."""
    found = bytearray(content)
    change = rng.randrange(6)
    if change == 0:
        return bytes(found[: rng.randrange(len(found))])
    if change == 1:
        for _ in range(rng.randint(1, 12)):
            found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    elif change == 2:
        at = rng.randrange(len(found))
        found[at:at] = rng.randbytes(rng.randint(1, 400))
    elif change == 3:
        # Sizes are 16 or 32 bit numbers in the first bytes of every format.
        at = rng.randrange(4, min(64, len(found) - 4))
        number = rng.choice([0, 1, 7, 255, 10_000, 65_535, 100_000_000, 2**31 - 1, 2**32 - 1])
        found[at : at + 4] = struct.pack(rng.choice("<>") + "I", number)
    elif change == 4:
        at = rng.randrange(len(found))
        found[at : at + 64] = bytes(64)
    else:
        found[:8] = rng.choice(
            [b"\x89PNG\r\n\x1a\n", b"GIF89a\xff\xff", b"\xff\xd8\xff\xe0\0\x10JF", b"BM\xff\xff\xff\x7f\0\0"]
        )
    return bytes(found)


@pytest.mark.soak(sample=60)
def test_mutated_files_are_drawn_or_named(
    makers: ModuleType, engine: OnnxEngine, tmp_path: Path, soak: Any
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    files = whole_files(makers)
    names = sorted(files)
    for number in range(soak.count):
        rng = random.Random(soak.seed + number)
        name = rng.choice(names)
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(mutated(files[name], rng))
        framing = Framing(rng.choice(["auto", "whole", "face", "center", "none"]))
        done = stylize_paths([path], engine, tmp_path / "out", framing=framing)
        assert len(done.drawn) + len(done.failures) == 1
        for failure in done.failures:
            assert path.name in str(failure.error)
            assert "\n" not in str(failure.error)
        path.unlink()
    # Kilobytes on Linux; the most that was ever held, so what the tests before this one took is taken off.
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST


def test_bombs_are_refused_and_large_pictures_fit(engine: OnnxEngine, tmp_path: Path) -> None:
    """100 megapixels are drawn in under 1 GB more than before; a header that promises more is refused."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Image.new("L", (10_000, 10_000), 200).save(tmp_path / "large.png")
    Image.new("1", (30_000, 30_000)).save(tmp_path / "bomb.png")
    done = stylize_paths([tmp_path / "large.png", tmp_path / "bomb.png"], engine, tmp_path / "out")
    assert {failure.source.name for failure in done.failures} >= {"bomb.png"}
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < MOST

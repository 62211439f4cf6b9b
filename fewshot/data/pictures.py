"""Open, list, hash and square pictures of any kind: upright 8-bit RGB comes out, or one clear error.

Everything that reads a picture file in this project goes through `open_picture`, so that a phone photo with a
rotation tag, a 16-bit scan and a transparent PNG mean the same thing everywhere.
"""

import contextlib
import ctypes
import difflib
import hashlib
import io
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, _imaging

from fewshot.data.pixels import to_rgb
from fewshot.data.refusals import (
    MAX_PIXELS,
    MIN_SIDE,
    UNSUPPORTED_SUFFIXES,
    check_file,
    check_not_blank,
    check_size,
    check_suffix,
    explained,
)
from fewshot.errors import BadInputError, NotFoundError

READABLE_SUFFIXES = frozenset(
    (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".gif", ".bmp", ".tif", ".tiff")
) | {".avif", ".ppm", ".pgm"}
"""File endings that are opened. The content decides the format, not the ending."""

# A closed list: Pillow's EPS reader would start Ghostscript on a file from a stranger. JPEG brings MPO along.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")

# Without a handler, Python prints PIL's log warnings about odd TIFF tags to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

# libtiff writes about damaged data to file descriptor 2 itself, past sys.stderr, unless its handler is taken
# away. Where Pillow was built with a hidden libtiff the words stay, beside the error that is raised anyway.
with contextlib.suppress(OSError, AttributeError):
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)

_silence_lock = threading.Lock()
_silence = contextlib.ExitStack()
_decoding = 0
"""How many threads decode a picture right now."""


@dataclass(frozen=True)
class OpenedPicture:
    """A decoded picture and what had to be done to it."""

    image: Image.Image
    """Upright, mode RGB, 8 bits."""
    changes: tuple[str, ...] = ()
    """What was converted, in words ("CMYK to RGB"); empty when the file already was upright 8-bit RGB."""
    notices: tuple[str, ...] = ()
    """What a person should know, such as frames that were not used."""


Fit = Literal["crop", "pad"]


def open_picture(path: str | Path) -> Image.Image:
    """Decode `path` to an upright 8-bit RGB picture.

    EXIF rotation is applied, alpha is laid on white, CMYK, palette, grey, 16-bit and float are converted
    (16-bit is scaled, not clipped), colour profiles are ignored, and of an animation the first frame is
    taken.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: the file is no picture, is damaged, larger than `refusals.MAX_PIXELS` or smaller than
        `refusals.MIN_SIDE`.
    """
    return read_picture(path).image


def read_picture(
    path: str | Path,
    data: bytes | None = None,
    most_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] = _FORMATS,
    least_side: int = MIN_SIDE,
) -> OpenedPicture:
    """As `open_picture`, and says what was changed and which frames were left out.

    `data` is the file's content where it lies in an archive; `path` then only names it. `most_pixels` refuses
    larger ones before they are decoded; `formats` are those of Pillow that are opened: a TIFF of many pages
    takes long to count; `least_side` refuses smaller ones.
    """
    path = Path(path)
    if data is None:
        check_file(path)
    else:
        check_suffix(path)
    try:
        with (
            _silenced(),
            Image.open(io.BytesIO(data) if data is not None else path, formats=formats) as image,
        ):
            check_size(path, *image.size, most_pixels, least_side)
            frames = _frame_count(image)
            image.load()
            rgb, changes = to_rgb(image)
    # Damaged files make Pillow's readers raise almost anything: struct.error, zlib.error, KeyError,
    # OverflowError…
    except Exception as error:
        raise explained(path, error) from None
    notices = (f"{frames}, the first is used",) if frames else ()
    return OpenedPicture(rgb, tuple(changes), notices)


def read_drawing(path: str | Path) -> OpenedPicture:
    """As `read_picture`, and refuses a blank page with a BadInputError."""
    opened = read_picture(path)
    check_not_blank(Path(path), opened.image)
    return opened


def spelling(path: Path) -> str:
    """What to try in place of a path that does not exist."""
    try:
        beside = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        beside = []
    near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.7)
    return f"did you mean '{path.parent / near[0]}'?" if near else "check the spelling of the path"


def list_pictures(folder: str | Path) -> list[Path]:
    """The picture files directly inside `folder`, in natural order (`2.png` before `10.png`).

    Hidden files, sub-folders and files without a picture ending are left out.

    Raises:
        NotFoundError: there is no such folder.
        BadInputError: it is a file, may not be read, or holds no picture.
    """
    folder = Path(folder)
    if not folder.exists():
        raise NotFoundError(f"{folder}: no such folder; expected a folder of pictures", spelling(folder))
    if not folder.is_dir():
        raise BadInputError(
            f"{folder}: is a file; expected a folder of pictures", f"give its folder: '{folder.parent}'"
        )
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        pictures = [entry for entry in entries if is_picture_name(entry) and not entry.is_dir()]
    except PermissionError:
        raise BadInputError(
            f"{folder}: may not be read; expected a readable folder", f"chmod u+rx '{folder}'"
        ) from None
    if not pictures:
        inner = sorted((entry for entry in entries if entry.is_dir()), key=natural_key)
        found = f"{len(entries)} entries, {len(inner)} of them folders" if entries else "an empty folder"
        raise BadInputError(
            f"{folder}: no picture in it (found {found}); expected files such as .png, .jpg or .webp",
            f"give one of its folders, such as '{inner[0]}'; for a style of each there is fewshot adapt-many"
            if inner
            else "put the pictures directly into this folder, or give the folder that holds them",
        )
    return sorted(pictures, key=natural_key)


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts names as people do, `2.png` before `10.png`."""
    parts = re.split(r"(\d+)", path.name.casefold())
    # isdecimal, not isdigit: "²" is a digit that int() refuses.
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p], path.name


def is_picture_name(path: Path) -> bool:
    """Whether the file ending is that of a picture, readable here or not."""
    return path.suffix.lower() in READABLE_SUFFIXES | UNSUPPORTED_SUFFIXES


def content_hash(image: Image.Image) -> str:
    """SHA-256 (hex) of the size and the decoded RGB pixels: the same picture in another file has the same
    hash."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    digest = hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode())
    digest.update(rgb.tobytes())
    return digest.hexdigest()


def to_square(image: Image.Image, size: int, fit: Fit = "crop") -> NDArray[np.uint8]:
    """Resize to `(size, size, 3)` uint8 with antialiased Lanczos.

    `crop` takes the middle; `pad` keeps everything and fills up with the median colour of the border, so that
    a line drawing on cream paper gets no white bars.
    """
    image = image if image.mode == "RGB" else image.convert("RGB")
    width, height = image.size
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        squared = image.resize((size, size), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
        return np.asarray(squared, dtype=np.uint8).copy()
    scale = size / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = np.asarray(image.resize(inner, Image.Resampling.LANCZOS, reducing_gap=3.0), dtype=np.uint8)
    border = np.concatenate([resized[0], resized[-1], resized[:, 0], resized[:, -1]])
    canvas = np.empty((size, size, 3), dtype=np.uint8)
    canvas[:] = np.median(border, axis=0).astype(np.uint8)
    top, left = (size - inner[1]) // 2, (size - inner[0]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = resized
    return canvas


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    # catch_warnings swaps process-wide state: the first thread in swaps it, the last one out swaps it back.
    global _decoding
    with _silence_lock:
        if not _decoding:
            _silence.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        _decoding += 1
    try:
        yield
    finally:
        with _silence_lock:
            _decoding -= 1
            if not _decoding:
                _silence.close()


def _frame_count(image: Image.Image) -> str:
    # An MPO is one phone photo with a depth map behind it, not an animation.
    if image.format == "MPO" or not getattr(image, "is_animated", False):
        return ""
    kind = "pages" if image.format == "TIFF" else "frames"
    frames = int(getattr(image, "n_frames", 2))
    image.seek(0)
    return f"{frames} {kind}"

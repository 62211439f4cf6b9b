"""Why a picture file cannot be used, and what to do about it: every refusal names the file."""

import re
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fewshot.errors import BadInputError, FewshotError, NotFoundError

MAX_PIXELS = 100_000_000
"""Largest picture that is decoded, in pixels: 300 MB as RGB, and more than any common scan at 600 dpi."""

MIN_SIDE = 32
"""Shortest side, in pixels, under which a picture carries no usable style at all."""

UNSUPPORTED_SUFFIXES = frozenset(
    {
        *(".heic", ".heif", ".jxl", ".jp2", ".dng", ".tga", ".psd", ".psb", ".svg", ".ai", ".xcf", ".kra"),
        *(".ora", ".clip", ".procreate", ".sai", ".sai2", ".mdp"),
    }
)
"""Endings of pictures that need another program; they are listed, so that they are refused by name."""

_BLANK = 8
"""Levels of 255 that the channels of a blank scan spread over, less than."""
_READABLE = "PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"

_HINT_REPLACE = "export it again as PNG from the program it was made with, or leave it out"
_HINT_SMALLER = "scale it down, for instance to 2,048 pixels on the longer side"


def check_file(path: Path) -> None:
    """Refuse what can be refused without opening it.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: it is a folder, empty, no plain file, or of a kind that cannot be read here.
    """
    if not path.exists():
        raise NotFoundError(f"{path}: no such file; expected a picture", "check the spelling of the path")
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder; expected a picture", "give one of the files in it")
    check_suffix(path)
    if not path.is_file():
        raise BadInputError(
            f"{path}: is no regular file; expected a picture", "copy the picture to a plain file"
        )
    if path.stat().st_size == 0:
        raise BadInputError(f"{path}: the file is empty (0 bytes); expected a picture", _HINT_REPLACE)


def check_suffix(path: Path) -> None:
    """Refuse a kind of file that cannot be read here, by its name; raises BadInputError."""
    if path.suffix.lower() in UNSUPPORTED_SUFFIXES:
        raise BadInputError(
            f"{path}: {path.suffix.lower()} files cannot be read here; expected {_READABLE}",
            "export it as PNG or JPEG from the program or phone that made it",
        )


def check_not_blank(path: Path, image: Image.Image) -> None:
    """Refuse a drawing that is one colour all over: an empty layer, or white ink laid on white."""
    if int(np.ptp(np.asarray(image), axis=(0, 1)).max()) < _BLANK:
        raise BadInputError(
            f"{path}: is blank, one colour all over; expected a drawing",
            "was a layer hidden? transparency is laid on white, so export white ink with a ground behind it",
        )


def check_size(
    path: Path, width: int, height: int, most: int = MAX_PIXELS, least_side: int = MIN_SIDE
) -> None:
    """Refuse more than `most` pixels and a side below `least_side`, from the header; raises BadInputError."""
    if width * height > most:
        raise _too_large(path, f"{width:,}x{height:,} pixels", most)
    if min(width, height) < least_side:
        raise BadInputError(
            f"{path}: too small ({width}x{height} pixels); "
            f"expected at least {least_side} on the shorter side",
            "use the original rather than a thumbnail; 256 pixels or more is best",
        )


def explained(path: Path, error: Exception) -> FewshotError:
    """The refusal for whatever went wrong while `path` was decoded; a refusal comes back as it is."""
    if isinstance(error, FewshotError):
        return error
    if isinstance(error, Image.DecompressionBombError):
        return _too_large(path, _pixels_in(str(error)))
    if isinstance(error, UnidentifiedImageError):
        return BadInputError(
            f"{path}: not a picture ({_looks_like(path)}); expected {_READABLE}", _HINT_REPLACE
        )
    if isinstance(error, PermissionError):
        return BadInputError(
            f"{path}: may not be read by this user; expected a readable file", f"allow it: chmod u+r '{path}'"
        )
    if isinstance(error, MemoryError):
        return BadInputError(
            f"{path}: does not fit into memory; expected a picture this machine can hold", _HINT_SMALLER
        )
    return BadInputError(
        f"{path}: damaged or cut off ({_reason(error)}); expected a complete picture", _HINT_REPLACE
    )


def _too_large(path: Path, found: str, most: int = MAX_PIXELS) -> BadInputError:
    return BadInputError(
        f"{path}: too large ({found}); expected at most {most // 1_000_000} million pixels",
        _HINT_SMALLER,
    )


def _looks_like(path: Path) -> str:
    if not path.is_file():  # A member of an archive.
        return "unknown content"
    head = path.read_bytes()[:512] if path.stat().st_size < 1 << 20 else b"\0"
    text = b"\0" not in head and not any(byte > 0xF4 for byte in head)
    return "a text file by its content" if text else "unknown content"


def _pixels_in(message: str) -> str:
    found = re.search(r"(\d+) pixels", message)
    return f"{int(found[1]) / 1e6:,.0f} million pixels" if found else "a decompression bomb"


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:100] if text else type(error).__name__

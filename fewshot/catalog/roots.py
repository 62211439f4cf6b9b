"""What a person writes for the place of a catalogue's files: a folder, or a URL that fsspec knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fewshot.errors import UsageError

_ONE_SLASH = re.compile(r"[a-z0-9]{2,}:/?(?!/)")


def local(root: str) -> Path | None:
    """The folder that is meant; None for a URL of another kind.

    Raises:
        UsageError: half a URL, or a file.
    """
    if _ONE_SLASH.match(root):
        raise UsageError(f"--root {root}: a URL has two slashes", "write a folder, or s3://BUCKET/PREFIX")
    if root.startswith("file://"):
        root = root.removeprefix("file://")
    elif "://" in root:
        return None
    folder = Path(root).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--root {root} is a file; expected a folder", "name the folder that it lies in")
    return folder


def remote(root: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        UsageError: a URL of an unknown kind, or of one whose package is not installed.
    """
    import fsspec

    try:
        fs, prefix = fsspec.url_to_fs(root)
    except ImportError as error:
        raise UsageError(
            f"--root {root} needs a package that is not installed ({error!s:.80})",
            'for s3:// install it with: pip install "fewshot-style[s3]"',
        ) from None
    except ValueError as error:
        raise UsageError(
            f"--root {root}: {error!s:.100}", "write a folder, file://FOLDER or s3://BUCKET/PREFIX"
        ) from None
    return fs, str(prefix).rstrip("/")

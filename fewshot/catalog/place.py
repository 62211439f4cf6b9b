"""Where the catalogue is, in the light of environment and home; nothing is opened or loaded."""

import os
from pathlib import Path

from fewshot.errors import UnreachableError
from fewshot.home import home


def database_url() -> str:
    """`FEWSHOT_CATALOG_DB`, or else the file in the toolkit's folder."""
    return os.environ.get("FEWSHOT_CATALOG_DB") or str(home() / "catalog.db")


def files_root() -> str:
    """`FEWSHOT_CATALOG_ROOT`, or else the folder in the toolkit's own."""
    return os.environ.get("FEWSHOT_CATALOG_ROOT") or str(home() / "adapters")


def is_there(url: str = "") -> bool:
    """Whether there is a catalogue, at `url` or where this machine has its own. A server is not asked."""
    url = url or database_url()
    path = url.removeprefix("sqlite:///")
    return "://" in path or Path(path).expanduser().exists()


def has_catalogue() -> bool:
    """Whether this machine uses a catalogue, which is then asked what may be used.

    Raises:
        UnreachableError: one is named and is not there: what was withdrawn in it cannot be told.
    """
    there = is_there()
    if not there and (named := os.environ.get("FEWSHOT_CATALOG_DB")):
        raise UnreachableError(
            f"FEWSHOT_CATALOG_DB={named}: no such file; expected the catalogue that says what may be used",
            "mount its disk or correct the name; `fewshot catalog add` makes a new one; unset it to use none",
        )
    return there

"""Where the catalogue is, in the light of environment and home; nothing is opened or loaded."""

import os
from pathlib import Path

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

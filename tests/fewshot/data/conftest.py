"""The shared drawings, where this machine has them."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def artists(shared: Path) -> dict[str, Path]:
    """The `train` folder of each shared artist by name; skips where the shared pictures are missing."""
    root = shared / "data" / "artists"
    return {folder.parent.name: folder for folder in sorted(root.glob("*/train"))}

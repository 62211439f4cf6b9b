"""Real pictures for the tests of the evaluation; tests that need them are skipped where they are missing."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.features import extract, get_extractor

SHARED = Path(os.environ.get("FEWSHOT_SHARED", Path(__file__).parents[2] / ".." / "shared"))


@pytest.fixture(scope="session")
def shared() -> Callable[..., Path]:
    """Path of something in the shared folder."""

    def find(*parts: str) -> Path:
        path = SHARED.joinpath(*parts)
        if not path.exists():
            pytest.skip(f"{'/'.join(parts)} is not in FEWSHOT_SHARED ({SHARED})")
        return path

    return find


def read(path: Path, size: int = 128) -> np.ndarray:
    """Centre square of a picture as uint8 (3, size, size)."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.resize((size, size), Image.Resampling.BOX, (left, top, left + side, top + side))
    return np.asarray(picture).transpose(2, 0, 1)


@pytest.fixture(scope="session")
def artist_features(shared: Callable[..., Path]) -> Callable[[str], dict[str, np.ndarray]]:
    """Features (N, D) of up to 24 training drawings of every artist by extractor name, computed once."""
    folders = sorted(shared("data", "artists").glob("*/train"))
    drawings = {f.parent.name: np.stack([read(p) for p in sorted(f.glob("*.webp"))[:24]]) for f in folders}

    @functools.cache
    def of(name: str) -> dict[str, np.ndarray]:
        extractor = get_extractor(name)
        return {artist: extract(extractor, rows) for artist, rows in drawings.items()}

    return of

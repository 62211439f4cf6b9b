"""What is kept of a trial's results: enough to compare two trials on the same photos, and to show them."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_FEATURES = "features "
_STRIPS = ("pictures", "photos", "base")
SHOWN = 6
"""Results of each fold that are kept for the report."""


@dataclass(frozen=True)
class Evidence:
    """What a later comparison needs of the results of one fold."""

    features: dict[str, NDArray[np.float32]]
    """Features `(M, D)` of the results by steering extractor."""
    hits: NDArray[np.float64]
    """`(M,)`: 1 where the nearest hand is the artist's."""
    pictures: NDArray[np.uint8]
    """`(K, 3, S, S)`: the first results."""
    photos: NDArray[np.uint8]
    """`(K, 3, S, S)`: their photos."""
    base: NDArray[np.uint8]
    """`(K, 3, S, S)`: what the base alone draws of them."""

    def to_bytes(self) -> bytes:
        """As an `.npz`; features in half precision, pictures as WebP."""
        buffer = io.BytesIO()
        features = {_FEATURES + name: rows.astype(np.float16) for name, rows in self.features.items()}
        strips = {name: _encoded(getattr(self, name)) for name in _STRIPS}
        np.savez_compressed(buffer, allow_pickle=False, hits=self.hits, **features, **strips)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Evidence:
        """What `to_bytes` gave."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            features = {
                name.removeprefix(_FEATURES): stored[name].astype(np.float32)
                for name in stored.files
                if name.startswith(_FEATURES)
            }
            return cls(features, stored["hits"], *(_decoded(stored[name]) for name in _STRIPS))


def _encoded(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Square pictures `(K, 3, s, s)` under each other as one WebP."""
    buffer = io.BytesIO()
    strip = pictures.transpose(0, 2, 3, 1).reshape(-1, pictures.shape[-1], 3)
    Image.fromarray(strip).save(buffer, "WEBP", quality=90)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def _decoded(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    strip = np.asarray(Image.open(io.BytesIO(data.tobytes())).convert("RGB"))
    side = strip.shape[1]
    return strip.reshape(-1, side, side, 3).transpose(0, 3, 1, 2)

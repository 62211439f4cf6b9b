"""Hands that every installation knows: style vectors of freely licensed drawings, with their attributions.

A style rank needs negatives. These are vectors, not pictures, made by the shipped `style` encoder; a file
made by other weights is refused, since vectors of two encoders do not compare.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from eval.errors import MissingWeightsError, WeightsMismatchError

GALLERY = Path(__file__).parent / "weights" / "style_gallery.safetensors"
HEADER = "gallery"
_HINT = "reinstall the package, or make it anew with `python -m fewshot.training.style_gallery`"


@dataclass(frozen=True)
class StyleGallery:
    """Style vectors by hand."""

    vectors: dict[str, np.ndarray]
    """Features (N, V, D) float32 by the hand's name, N drawings each in V framings (`framings.py`), as the
    extractor `style` gives them."""
    attributions: dict[str, str]
    """Who drew them and under which licence, by the hand's name: to be shown wherever they are named."""


def load_gallery(encoder_sha256: str, path: Path = GALLERY) -> StyleGallery:
    """The shipped gallery.

    Args:
        encoder_sha256: of the `style` extractor that it is to be compared with (`Extractor.sha256`).
        path: of the gallery.

    Raises:
        MissingWeightsError: there is no such file.
        WeightsMismatchError: unreadable, or made by another encoder.
    """
    if not path.exists():
        raise MissingWeightsError(f"{path.name} is missing from {path.parent.name}/", _HINT)
    try:
        with safe_open(path, "np") as file:
            facts = json.loads((file.metadata() or {})[HEADER])
            stored = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
        made_by, attributions = facts["encoder"], dict(facts["attributions"])
        # They are stored at length one.
        vectors = {name: rows * rows.shape[-1] ** 0.5 for name, rows in stored.items()}
    except Exception as error:
        raise WeightsMismatchError(f"{path.name} cannot be read: {error!r}", _HINT) from None
    if made_by != encoder_sha256:
        raise WeightsMismatchError(
            f"{path.name} was made by the encoder {made_by[:12]}…; expected {encoder_sha256[:12]}…", _HINT
        )
    return StyleGallery(vectors, attributions)

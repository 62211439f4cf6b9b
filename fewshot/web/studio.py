"""What the studio's pages show of the catalogue: the map of its styles."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from fewshot.catalog.models import Entry, Features, Generation, Version

if TYPE_CHECKING:
    from fewshot.catalog.store import Catalog

MOST = 2000
"""Styles on a map: t-SNE of more takes too long for a page, and nobody could read it."""


@dataclass(frozen=True)
class Spot:
    """A style on the map."""

    name: str
    """Of the style."""
    x: float
    """Across, 0 to 1."""
    y: float
    """Down, 0 to 1."""


class StyleMap:
    """The map of a catalogue, made again when its drawings have changed."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._lock = threading.Lock()
        self._generation = -1
        self._spots: list[Spot] = []

    def spots(self) -> list[Spot]:
        """The catalogue's styles, near to each other where their drawings are alike.

        While the map is made again, others see the one before.
        """
        if self._lock.acquire(blocking=False):
            try:
                with self.catalog.read() as session:
                    generation = session.scalars(select(Generation.number)).one()
                if generation != self._generation:
                    self._spots, self._generation = self._made(), generation
            finally:
                self._lock.release()
        return self._spots

    def _made(self) -> list[Spot]:
        from eval.features import get_extractor
        from eval.style_map import style_map

        encoder = get_extractor("style")
        latest = (Version.entry_id == Entry.id) & (Version.number == Entry.latest)
        query = (
            select(Entry.name, Features)
            .join(Version, latest)
            .join(Features, Features.version_id == Version.id)
            .where(Features.extractor_sha256 == encoder.sha256, Features.dim == encoder.dim)
            .order_by(Entry.name, Features.kind)
        )
        means: dict[str, np.ndarray] = {}
        with self.catalog.read() as session:
            for name, block in session.execute(query):
                if name not in means and len(means) < MOST:
                    rows = np.frombuffer(block.data, "<f2").reshape(block.count, block.dim)
                    means[name] = rows.astype(np.float64).mean(0)
        if not means:
            return []
        points = (style_map(np.stack(list(means.values())), list(means)).points + 1) / 2
        return [Spot(name, float(x), float(y)) for name, (x, y) in zip(means, points, strict=True)]

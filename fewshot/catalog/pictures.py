"""Search by picture: which style is like these drawings, or like that other style?

The features lie in the database. The FAISS index over them is a cache: a search knows the generation that it
has seen, and brings the index up to date when the database has another one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from eval.errors import EvalError
from eval.features import Extractor, extract, get_extractor
from eval.retrieval import StyleIndex
from eval.style_vectors import Space
from fewshot.catalog.models import Entry, Features, Generation, Version
from fewshot.catalog.names import find_version, parse
from fewshot.catalog.store import Catalog
from fewshot.data.drawing_framing import frame_drawings
from fewshot.data.drawing_page import drawing_square
from fewshot.data.pictures import read_picture
from fewshot.errors import NotFoundError
from fewshot.evaluation.sources import gather_drawings
from fewshot.home import cache_folder

if TYPE_CHECKING:
    from eval.style_vectors import Hit

SIZE = 128
"""Side in px at which a picture is looked at, as those of an adaptation are."""
PER_STYLE = 3
"""Pictures of a style that count: the best ones, so that a large set is no handicap."""
_SHORTLIST = 256
"""Pictures that are looked at for each query, at first; more where they are of too few styles."""
_STALE = 100
"""Versions of the past that an index may hold before it is made anew."""
_ROWS = 500
"""Versions whose features are read at once."""


Only = Callable[[str], bool]
"""Whether a style, by its name, is wanted in an answer."""


def _every(name: str) -> bool:
    return True


@dataclass(frozen=True)
class Similar:
    """A style that is like what was searched for."""

    name: str
    version: int
    similarity: float
    """Mean cosine, in [-1, 1], of its nearest pictures, over all queries."""
    pictures: int
    """How many of its pictures were among the nearest."""


class PictureSearch:
    """An index in memory that follows its catalogue; keep one for many searches.

    Args:
        catalog: what is searched.
        encoder: whose features are compared; those of other networks are left out. By default the shipped
            style encoder, which `fewshot adapt` stores features of.
    """

    def __init__(self, catalog: Catalog, encoder: Extractor | None = None) -> None:
        self.catalog, self.encoder = catalog, encoder or get_extractor("style")
        self.space = Space("style", self.encoder.sha256, self.encoder.dim)
        self.generation = -1
        self.index = StyleIndex(self.space)
        self._names: dict[str, tuple[str, int]] = {}
        """Name and number of every style's latest version, by its key in the index."""

    def search(self, features: np.ndarray, *, limit: int = 10, only: Only = _every) -> list[Similar]:
        """The styles nearest to features `(Q, D)` of one or more pictures, nearest first.

        Args:
            only: which styles, by name, are wanted in the answer.
        """
        self.update()
        if not len(self.index) or not len(features):
            return []
        shortlist = _SHORTLIST
        while True:
            found = [hit for hit in self._ranked(features, shortlist) if only(hit.name)]
            if len(found) >= limit or shortlist >= len(self.index):
                return found[:limit]
            shortlist *= 8

    def _ranked(self, features: np.ndarray, shortlist: int) -> list[Similar]:
        """The styles of the nearest `shortlist` pictures to each query."""
        sums: dict[str, float] = {}
        seen: dict[str, int] = {}
        floor = 0.0
        for hits in self.index.search(features, min(shortlist, len(self.index))):
            best = _best_of_each(hits)
            # A style that is not on the list is at most as near as the last one there.
            floor += hits[-1].cosine
            for style, cosines in best.items():
                missing = PER_STYLE - len(cosines)
                nearness = (sum(cosines) + missing * hits[-1].cosine) / PER_STYLE - hits[-1].cosine
                sums[style] = sums.get(style, 0.0) + nearness
                seen[style] = seen.get(style, 0) + len(cosines)
        ranked = sorted(sums, key=lambda style: (-sums[style], style))
        # The cache may still hold versions that were removed or are no longer the latest.
        return [
            Similar(*self._names[style], (sums[style] + floor) / len(features), seen[style])
            for style in ranked
            if style in self._names
        ]

    def update(self) -> None:
        """Bring the index up to date with the database, which costs one query when it is."""
        with self.catalog.read() as session:
            row = session.execute(select(Generation.number, Generation.catalogue)).one()
            if row.number == self.generation:
                return
            path = cache_folder() / "catalog" / f"{row.catalogue}-{self.space.sha256[:16]}.index"
            if self.generation < 0:
                with contextlib.suppress(EvalError):
                    self.index = StyleIndex.load(path, self.space)
            self._names = _latest(session)
            changed = self._follow(session)
        self.generation = row.number
        if changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            # A cache that cannot be written costs time at the next start, and nothing else.
            with contextlib.suppress(EvalError), FileLock(path.with_suffix(".lock")):
                self.index.save(path)

    def _follow(self, session: Session) -> bool:
        """Add what is missing; where much of the index is of the past, start anew. Whether it changed."""
        have = set(self.index.styles)
        if len(have - self._names.keys()) > max(_STALE, 0.1 * len(self._names)):
            self.index, have = StyleIndex(self.space), set()
        missing = {_row(style): style for style in self._names.keys() - have}
        rows_of = sorted(missing)
        gallery: dict[str, np.ndarray] = {}
        names: dict[str, list[str]] = {}
        for start in range(0, len(rows_of), _ROWS):
            part = rows_of[start : start + _ROWS]
            of_ours = Features.extractor_sha256 == self.space.sha256
            query = select(Features).where(Features.version_id.in_(part), of_ours)
            for block in session.scalars(query):
                if block.dim != self.space.dim:
                    continue
                style = missing[block.version_id]
                rows = np.frombuffer(block.data, "<f2").reshape(-1, block.dim)
                known = gallery.get(style)
                gallery[style] = rows if known is None else np.concatenate([known, rows])
                names.setdefault(style, []).extend(f"{block.kind}/{row}" for row in range(len(rows)))
        if gallery:
            self.index.extend(gallery, names)
        return bool(gallery)


def like(search: PictureSearch, text: str, *, limit: int = 10, only: Only = _every) -> list[Similar]:
    """The styles like one that is in the catalogue, by its reference pictures, or results where it has none.

    Raises:
        NotFoundError: no such style, version or alias, or it has no features of that network.
    """
    with search.catalog.read() as session:
        entry, version = find_version(session, parse(text))
        same = (Features.version_id == version.id) & (Features.extractor_sha256 == search.space.sha256)
        block = session.scalars(select(Features).where(same).order_by(Features.kind)).first()
        if block is None:
            raise NotFoundError(
                f"{text} has no style features",
                "search with its drawings instead: fewshot catalog search --picture DIR",
            )
        rows = np.frombuffer(block.data, "<f2").reshape(block.count, block.dim).astype(np.float32)
        name = entry.name
    return search.search(rows, limit=limit, only=lambda other: other != name and only(other))


def by_pictures(
    search: PictureSearch,
    paths: Sequence[Path],
    *,
    limit: int = 10,
    only: Only = _every,
) -> list[Similar]:
    """The styles like drawings: files, or folders of them, framed as the drawings of the styles are.

    Raises:
        NotFoundError, BadInputError: a picture is not there or cannot be read.
    """
    pictures = [
        gather_drawings(path, SIZE).pixels if path.is_dir() else _one(read_picture(path).image)
        for path in paths
    ]
    features = np.concatenate([extract(search.encoder, pixels) for pixels in pictures])
    return search.search(features, limit=limit, only=only)


def by_drawing(
    search: PictureSearch, drawing: Image.Image, *, limit: int = 10, only: Only = _every
) -> list[Similar]:
    """As `by_pictures` for one drawing in memory."""
    return search.search(extract(search.encoder, _one(drawing)), limit=limit, only=only)


def _one(drawing: Image.Image) -> np.ndarray:
    (framed,) = frame_drawings([drawing_square(drawing, SIZE)], SIZE)
    return framed.transpose(2, 0, 1)[None]


def _best_of_each(hits: Sequence[Hit]) -> dict[str, list[float]]:
    best: dict[str, list[float]] = {}
    for hit in hits:
        cosines = best.setdefault(hit.style, [])
        if len(cosines) < PER_STYLE:
            cosines.append(hit.cosine)
    return best


def _latest(session: Session) -> dict[str, tuple[str, int]]:
    """Name and number of every style's latest version, by its key.

    The key holds the row and the hash of the files: where a backup of the database took the place of a newer
    one, a row means another version than the index knows.
    """
    latest = (Version.entry_id == Entry.id) & (Version.number == Entry.latest)
    query = select(Version.id, Version.files_sha256, Entry.name, Version.number).join(Version, latest)
    return {f"{id_}-{sha256[:16]}": (name, number) for id_, sha256, name, number in session.execute(query)}


def _row(key: str) -> int:
    return int(key.partition("-")[0])

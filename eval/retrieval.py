"""An index of many drawings' style vectors: which are nearest to a picture?

Search is by cosine: of every vector up to `FLAT_LIMIT`, above by FAISS's inverted lists. HNSW graphs answer
as fast, but took eight times as long to build, and cannot give up a style.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from eval.distances import Scale
from eval.errors import EvalError, WeightsMismatchError
from eval.ranking import check_gallery, gallery_scale
from eval.sealed_file import read_sealed, write_sealed
from eval.style_vectors import Drawing, Drawings, FeatureSpace, Hit, Space

FLAT_LIMIT = 20_000
"""Vectors up to which all are compared: 20 MB at 256 numbers, about 1 ms; lists would save little."""
_RECALL = 0.995
"""Share of the ten true neighbours that searching few lists must find, on the collection's own vectors."""
_TUNED_K = 10
_SAMPLE = 256
"""Vectors on which that is measured."""
_FORMAT = "style-index-v2"


class StyleIndex:
    """Style vectors, each with a style and a name that is unique within the style.

    Any number of processes may load one file and search it; let one at a time change and save it, since the
    later of two saves wins.
    """

    def __init__(self, space: FeatureSpace, scale: Scale | None = None) -> None:
        """Start an empty index.

        Args:
            space: whose features go in; name, sha256 and dim are kept with the index.
            scale: see `Space.scale`.

        Raises:
            EvalError: a scale of another length.
        """
        if scale is not None and np.shape(scale.shift) != (space.dim,):
            raise EvalError(f"expected a scale of {space.dim} numbers; found {np.shape(scale.shift)}")
        self.space = Space(space.name, space.sha256, space.dim, scale)
        self.drawings = Drawings()
        """Which drawing each row is."""
        self._index: Any = faiss.IndexFlatIP(space.dim)
        self._mapped = False

    @classmethod
    def build(
        cls,
        space: FeatureSpace,
        gallery: Mapping[str, np.ndarray],
        names: Mapping[str, Sequence[str]] | None = None,
    ) -> StyleIndex:
        """Index of features (N, D) per style, standardised with the gallery as `style_rank` does.

        Args:
            space: whose features.
            gallery: features per style, at least one style.
            names: of the rows of each style; 0, 1, … if left out.

        Raises:
            EvalError: no style, an empty one, features of another length, or nan in them.
        """
        if not gallery:
            raise EvalError("an index of no style was asked for", "start with StyleIndex(space), then add")
        called = names or {style: [str(i) for i in range(len(rows))] for style, rows in gallery.items()}
        rows = check_gallery(gallery, space.dim, called)
        index = cls(space, gallery_scale(rows))
        index.extend(rows, called)
        return index

    def __len__(self) -> int:
        return len(self.drawings.all)

    @property
    def styles(self) -> tuple[str, ...]:
        """All styles, in the order in which they were added."""
        return tuple(self.drawings.by_style)

    def vectors(self, style: str) -> np.ndarray:
        """Unit vectors (N, D) float32 of one style; raises UnknownNameError where there is none."""
        return self._index.reconstruct_batch(np.array(self.drawings.rows(style), np.int64))

    def add(self, style: str, features: np.ndarray, names: Sequence[str]) -> None:
        """Add rows (N, D) of one style, with a name for each; all or none.

        Raises:
            EvalError: nan or infinity (with the name), another shape, or a name that the style has already.
        """
        self.extend({style: features}, {style: names})

    def extend(self, gallery: Mapping[str, np.ndarray], names: Mapping[str, Sequence[str]]) -> None:
        """`add` for many styles, whose cells are then made once."""
        drawings = [Drawing(style, name) for style in gallery for name in names[style]]
        self._append(np.concatenate(list(gallery.values())), drawings)

    def _append(self, features: np.ndarray, fresh: Sequence[Drawing]) -> None:
        if len(features) != len(fresh):
            raise EvalError(f"{len(features)} rows but {len(fresh)} names; expected one for each")
        rows = self.space.unit(features, ["/".join(drawing) for drawing in fresh])
        self.drawings.add(fresh)
        if self._mapped or _cells(len(self)) > _cells(self._index.ntotal):
            self._replace(np.concatenate([self._all(), rows]))
        else:
            self._index.add(rows)

    def remove(self, style: str) -> int:
        """Take a style out; returns how many rows it had. Raises UnknownNameError where there is none."""
        gone = set(self.drawings.rows(style))
        left = [row for row in range(len(self)) if row not in gone]
        kept = Drawings()
        kept.add([self.drawings.all[row] for row in left])
        self._replace(self._all()[left])
        self.drawings = kept
        return len(gone)

    def search(self, features: np.ndarray, k: int = 10) -> list[list[Hit]]:
        """For each row (Q, D) the k nearest drawings, nearest first; all where there are fewer."""
        found, cosines = _search(self._index, self.space.unit(features), min(k, len(self)))
        rows, pairs = self.drawings.all, map(zip, found, cosines)
        return [[Hit(*rows[i], float(c)) for i, c in hits] for hits in pairs]  # type: ignore[call-arg]

    def save(self, path: Path) -> None:
        """Write one file; killed at any moment, it leaves the one that was there before.

        Processes that have loaded the old file keep its answers until they load again.

        Raises:
            EvalError: it cannot be written.
        """
        if self._mapped:
            # FAISS would store a mapped index as a reference to the very file that is replaced.
            self._replace(self._all())
        facts = {"format": _FORMAT, **self.space.to_facts(), **self.drawings.to_facts()}
        write_sealed(path, facts, lambda put: put(faiss.serialize_index(self._index).data))

    @classmethod
    def load(cls, path: Path, space: FeatureSpace) -> StyleIndex:
        """Read an index of the same extractor; the vectors stay in the file, which is mapped.

        Raises:
            UnknownNameError: no such file.
            EvalError: damaged, or no index.
            WeightsMismatchError: made with another extractor or other weights.
        """
        return read_sealed(path, lambda file, facts: cls._open(file, facts, space))

    @classmethod
    def _open(cls, path: Path, facts: dict[str, Any], space: FeatureSpace) -> StyleIndex:
        if facts.get("format") != _FORMAT:
            found = facts.get("format", "something else")
            raise EvalError(f"{path}: {found}; expected {_FORMAT}", "build the index again")
        stored = Space.from_facts(facts)
        if (stored.name, stored.sha256) != (space.name, space.sha256):
            raise WeightsMismatchError(
                f"{path} was made with {stored.name} {stored.sha256[:12]}…; "
                f"expected {space.name} {space.sha256[:12]}…",
                "search with that extractor, or build the index again",
            )
        index = cls(stored, stored.scale)
        index.drawings = Drawings.from_facts(facts)
        # The first flag maps inverted lists in every version, the second flat vectors in newer ones.
        flags = faiss.IO_FLAG_MMAP if _cells(len(index)) else getattr(faiss, "IO_FLAG_MMAP_IFC", 0)
        try:
            index._index, index._mapped = faiss.read_index(str(path), flags), True
        except RuntimeError as error:
            found = str(error).splitlines()[0]
            raise EvalError(f"{path}: this FAISS cannot read it: {found}", "build the index again") from None
        if hasattr(index._index, "nlist"):
            # Threads that read ahead cost 6 ms for each query; the checksum has just read it all.
            lists: Any = faiss.downcast_InvertedLists(index._index.invlists)
            lists.prefetch_nthread = 0
        return index

    def _all(self) -> np.ndarray:
        return self._index.reconstruct_n(0, self._index.ntotal)

    def _replace(self, rows: np.ndarray) -> None:
        """Hold these unit vectors in memory, in cells that suit their number."""
        self._index, self._mapped = _structure(rows, self._index), False


def _cells(n: int) -> int:
    """Cells for n vectors: a power of two near 1.6 √n, so that they change seldom; 0 compares all."""
    return 0 if n <= FLAT_LIMIT else 2 ** round(math.log2(1.6 * math.sqrt(n)))


def _structure(rows: np.ndarray, old: Any) -> Any:
    """FAISS index of unit vectors (N, D); the old one's cells are kept where their number still fits."""
    cells, dim = _cells(len(rows)), rows.shape[1]
    if not cells:
        flat = faiss.IndexFlatIP(dim)
        flat.add(rows)
        return flat
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
    kept = getattr(old, "nlist", 0) == cells
    if kept:
        index.quantizer.add(old.quantizer.reconstruct_n(0, cells))
        index.is_trained, index.nprobe = True, old.nprobe
    else:
        # A tenth of FAISS's effort: the same recall within a thousandth, in 1 s instead of 10 at 100,000.
        index.cp.niter, index.cp.max_points_per_centroid = 10, 64
        index.train(rows)
    index.add(rows)
    index.make_direct_map(True)
    if not kept:
        _tune(index, rows)
    return index


def _tune(index: Any, rows: np.ndarray) -> None:
    """Search as few cells as find `_RECALL` of the true neighbours of some of the vectors themselves."""
    sample = rows[np.linspace(0, len(rows) - 1, _SAMPLE).astype(int)]
    # Each vector finds itself first, which shows nothing.
    exact = faiss.knn(sample, rows, _TUNED_K + 1, faiss.METRIC_INNER_PRODUCT)[0][:, 1:]
    index.nprobe = 1
    while index.nprobe < index.nlist:
        found = index.search(sample, _TUNED_K + 1)[0][:, 1:]
        # Cosines rather than rows: of several equal neighbours any will do.
        if (found >= exact - 1e-6).mean() >= _RECALL:
            return
        index.nprobe = min(2 * index.nprobe, index.nlist)


def _search(index: Any, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers and cosines, both (Q, k)."""
    if not k or not len(rows):
        return np.zeros((len(rows), 0), np.int64), np.zeros((len(rows), 0), np.float32)
    if not hasattr(index, "nlist"):
        cosines, found = index.search(rows, k)
        return found, cosines
    wider: Any = faiss.SearchParametersIVF()
    wider.nprobe = min(index.nprobe * max(1, k // _TUNED_K), index.nlist)
    while True:
        cosines, found = index.search(rows, k, params=wider)
        if (found >= 0).all() or wider.nprobe == index.nlist:
            return found, cosines
        wider.nprobe = min(2 * wider.nprobe, index.nlist)

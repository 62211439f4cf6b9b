"""What an index of style vectors knows besides the numbers: their feature space, and whose they are."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from eval.checks import check_features
from eval.distances import Scale
from eval.errors import EvalError, UnknownNameError
from eval.ranking import unit_rows


class FeatureSpace(Protocol):
    """What says that two vectors compare; `eval.features.Extractor` has it."""

    @property
    def name(self) -> str:
        """Of the extractor."""

    @property
    def sha256(self) -> str:
        """Of its weights or definition."""

    @property
    def dim(self) -> int:
        """Numbers per vector."""


@dataclass(frozen=True)
class Space:
    """A feature space without its network: a catalogue searches stored features and computes none."""

    name: str
    """Of the extractor."""
    sha256: str
    """Of its weights or definition."""
    dim: int
    """Numbers per vector."""
    scale: Scale | None = None
    """Applied before vectors get length one; None takes them as they are, which suits encoders that were
    trained on cosines."""

    def unit(self, features: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
        """Features (N, D) as cosines compare them: scaled, at length one, float32.

        Raises:
            EvalError: another shape; nan or infinity, with the picture's name.
        """
        if np.ndim(features) != 2 or np.shape(features)[1] != self.dim:
            found = np.shape(features)
            raise EvalError(f"expected features (N, {self.dim}) of {self.name!r}; found {found}")
        rows = check_features(features, names, least=0)
        scaled = rows if self.scale is None else self.scale.apply(rows)
        return np.ascontiguousarray(unit_rows(scaled), np.float32)

    def to_facts(self) -> dict[str, Any]:
        """What JSON can hold; see `from_facts`."""
        scale = None if self.scale is None else [self.scale.shift.tolist(), self.scale.spread.tolist()]
        return {"extractor": self.name, "sha256": self.sha256, "dim": self.dim, "scale": scale}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Space:
        """Exactly the space that `to_facts` described."""
        scale = None if facts["scale"] is None else Scale(*(np.array(part) for part in facts["scale"]))
        return cls(facts["extractor"], facts["sha256"], facts["dim"], scale)


class Drawing(NamedTuple):
    """One row: a drawing and whose it is."""

    style: str
    """Whose hand."""
    name: str
    """Unique within the style: a file name, a hash."""


class Hit(NamedTuple):
    """A stored drawing that is near to a query."""

    style: str
    """Whose hand."""
    name: str
    """The drawing's name within the style."""
    cosine: float
    """Similarity in [-1, 1]."""


class Drawings:
    """The rows of an index in order, and the rows of each style."""

    def __init__(self) -> None:
        self.all: list[Drawing] = []
        self.by_style: dict[str, list[int]] = {}
        """In the order in which the styles came."""

    def add(self, fresh: Sequence[Drawing]) -> None:
        """Append rows; raises EvalError, and appends none, when a style has one of the names already."""
        known = {self.all[row] for style in {d.style for d in fresh} for row in self.by_style.get(style, ())}
        for drawing in fresh:
            if drawing in known:
                raise EvalError(
                    f"{drawing.style} has a drawing named {drawing.name} already; expected a new name",
                    "remove the style first, or give the drawing another name",
                )
            known.add(drawing)
        for row, drawing in enumerate(fresh, len(self.all)):
            self.by_style.setdefault(drawing.style, []).append(row)
        self.all += fresh

    def rows(self, style: str) -> list[int]:
        """Rows of one style; raises UnknownNameError, with the nearest name, where there is none."""
        if style not in self.by_style:
            close = difflib.get_close_matches(style, self.by_style, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the index has {len(self.by_style)} styles"
            raise UnknownNameError(f"no style is called {style!r} in the index", hint)
        return self.by_style[style]

    def to_facts(self) -> dict[str, Any]:
        """What JSON can hold; see `from_facts`."""
        codes = {style: code for code, style in enumerate(self.by_style)}
        return {
            "styles": list(codes),
            "style_of": [codes[d.style] for d in self.all],
            "names": [d.name for d in self.all],
        }

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Drawings:
        """Exactly the rows that `to_facts` described."""
        drawings = cls()
        styles, pairs = facts["styles"], zip(facts["style_of"], facts["names"], strict=True)
        drawings.add([Drawing(styles[code], name) for code, name in pairs])
        return drawings

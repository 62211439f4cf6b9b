"""What is measured: a recipe with its overrides, or a rival, and how either draws the photos."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fewshot.data.archives import list_names
from fewshot.evaluation.rivals import RIVALS
from fewshot.home import recipes_folder
from recipes import Recipe, apply_overrides, load_recipe, recipe_hash

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel

RECIPE, RIVAL = "recipe", "rival"


@dataclass(frozen=True)
class Candidate:
    """One column of decisions: something that learns from drawings and then redraws photos."""

    kind: str
    """`recipe` or `rival`."""
    name: str
    """Of the recipe or the rival."""
    overrides: tuple[str, ...] = ()
    """`key=value` changes of the recipe."""
    minutes: float = 0.0
    """Training time of a rival that trains."""
    learn_on: str = ""
    """Folder or archive of photos that a recipe learns on; empty: what `adapt` learns on when given none."""

    @property
    def label(self) -> str:
        """Name for the table."""
        photos = ("--photos", Path(self.learn_on).resolve().name) if self.learn_on else ()
        return " ".join((self.name, *self.overrides, *photos))

    @property
    def identity(self) -> str:
        """Changes with everything that changes the result, as far as the candidate knows."""
        if self.kind == RECIPE:
            return recipe_hash(self.recipe()) + (f":{stamp(Path(self.learn_on))}" if self.learn_on else "")
        return f"{self.name}:{self.minutes:g}" if RIVALS[self.name].trains else self.name

    def recipe(self) -> Recipe:
        """The recipe with its overrides; raises RecipeError."""
        return apply_overrides(load_recipe(self.name, recipes_folder()), list(self.overrides))


@dataclass(frozen=True, eq=False)
class Drawn:
    """Results of a candidate and what they cost."""

    results: np.ndarray
    """uint8 `(M, 3, S, S)`, the photos redrawn."""
    cost: dict[str, Any]
    """`minutes` of learning, `seconds` per photo, and for recipes `steps`, `best_step` and `adapter_mb`."""


def draw(
    candidate: Candidate, drawings: Path, photos: np.ndarray, base: BaseModel, base_name: str, style: str
) -> Drawn:
    """Learn from a folder of drawings and redraw photos, uint8 `(M, 3, S, S)` at the base's size.

    Args:
        style: name of the run that a recipe leaves under `FEWSHOT_HOME`.
    """
    if candidate.kind == RIVAL:
        return _draw_rival(candidate, drawings, photos, base)
    from fewshot.evaluation.held_out import redraw
    from fewshot.inference.torch_engine import TorchEngine
    from fewshot.styles import load_style
    from fewshot.training.adapt import adapt_style

    start = time.monotonic()
    outcome = adapt_style(
        drawings,
        name=style,
        base=base_name,
        recipe=candidate.recipe(),
        photos=Path(candidate.learn_on) if candidate.learn_on else None,
        overwrite=True,
    )
    learned = time.monotonic()
    (results,) = redraw(photos, TorchEngine(base, [(load_style(style), 1.0)]))
    size = sum(path.stat().st_size for path in outcome.adapter.iterdir())
    cost = _times(start, learned, len(photos))
    return Drawn(
        results,
        {**cost, "steps": outcome.steps, "best_step": outcome.best_step, "adapter_mb": size / 1e6},
    )


def _draw_rival(candidate: Candidate, drawings: Path, photos: np.ndarray, base: BaseModel) -> Drawn:
    from fewshot.data.style_set import StyleSet

    rival = RIVALS[candidate.name]
    pixels = StyleSet.from_folder(drawings, size=base.netG_A.size, crop="face").tensor()
    torch.manual_seed(0)
    start = time.monotonic()
    redraw = rival.prepare(pixels, base, photos=None, minutes=candidate.minutes, seed=0)
    learned = time.monotonic()
    return Drawn(redraw(photos), _times(start, learned, len(photos)))


def _times(start: float, learned: float, photos: int) -> dict[str, float]:
    now = time.monotonic()
    return {"minutes": (learned - start) / 60, "seconds": (now - learned) / max(1, photos)}


def stamp(pictures: Path) -> str:
    """Of a folder's or an archive's names and sizes, as `adapt` reads it: other pictures give another."""
    names = sorted(list_names(pictures))
    files = [pictures / name for name in names] if pictures.is_dir() else [pictures]
    listed = names, [file.stat().st_size for file in files]
    return hashlib.sha256(repr(listed).encode()).hexdigest()[:12]


def parse_candidates(
    recipes: Sequence[str], rivals: Sequence[str], minutes: float, learn_on: Path | None = None
) -> list[Candidate]:
    """Candidates from what a person writes: `"quick steps=150"` is a recipe with an override.

    Args:
        recipes, rivals: what is measured.
        minutes: of rivals that train.
        learn_on: photos; every recipe is measured once without them and once more with them.

    Raises:
        RecipeError: unknown recipes or overrides.
        UsageError: an unknown rival, or photos and no recipe to learn on them.
        NotFoundError: no such photos.
    """
    import difflib

    from fewshot.errors import NotFoundError, UsageError

    if learn_on is not None and not recipes:
        raise UsageError("photos to learn on, and no recipe", "name one: --recipe quick")
    if learn_on is not None and not learn_on.exists():
        raise NotFoundError(f"no photos at {learn_on}", "give a folder or a .tar archive")
    found: list[Candidate] = []
    for text in recipes:
        if not text.strip():
            raise UsageError("a recipe without a name", "name one: --recipe quick")
        name, *overrides = text.split()
        candidate = Candidate(RECIPE, name, tuple(overrides))
        candidate.recipe()
        found.append(candidate)
        if learn_on is not None:
            found.append(replace(candidate, learn_on=str(learn_on)))
    for name in rivals:
        if name not in RIVALS:
            close = difflib.get_close_matches(name, RIVALS, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(RIVALS)}"
            raise UsageError(f"no comparison method is called {name!r}", hint)
        found.append(Candidate(RIVAL, name, minutes=minutes))
    return list(dict.fromkeys(found))

"""What a study is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fewshot.consent import UNKNOWN, Consent


@dataclass(frozen=True)
class Request:
    """Which recipes are to be tried on which drawings, and what becomes of the best one."""

    drawings: Path
    """Folder of 1 to 60 drawings by one hand."""
    name: str = ""
    """Of the winner's style; needed where it is trained."""
    study: str = ""
    """Name under `FEWSHOT_HOME/studies/`; empty: the style's, else the folder's."""
    base: str = "scan_128.anime"
    """Registered base, or a file."""
    recipes: tuple[str, ...] = ()
    """Names or files; empty: those that are meant for artists."""
    knobs: tuple[str, ...] = ()
    """What to vary, such as `lr=3e-4..3e-3` or `rank=4,8,16`."""
    overrides: tuple[str, ...] = ()
    """`key=value` for every recipe."""
    photos: Path | None = None
    """Folder or archive of photos, a part of which is kept for scoring; None: rendered ones."""
    folds: int = 3
    """Of the drawings, 2 or more; fewer are made where there are fewer than two drawings for each."""
    rungs: int = 3
    """How often trials are compared and pruned, 1..6."""
    trials: int | None = None
    """In all; None: every recipe as it is written, and nine more where there are knobs."""
    minutes: float | None = None
    """Of training and scoring over all processes and calls, without the winner's training; None: no limit."""
    exhaustive: bool = False
    """Train every recipe on every fold to the end."""
    content: float = 0.8
    """Share of what the base keeps of the photos' content that a recipe has to keep, 0..1."""
    db: str | None = None
    """PostgreSQL URL, for several machines; None: a journal file."""
    retrain: bool = True
    """Train the winner on all drawings."""
    overwrite: bool = False
    """Replace a style of that name."""
    seed: int = 0
    """Of folds and sampler, 0 or more; training has the recipes' own."""
    licence: str = "unknown"
    """Of the drawings, written into the winner's adapter."""
    consent: Consent = UNKNOWN
    """The artist's, written into the winner's adapter."""
    track: tuple[str, ...] = ()
    """`wandb`, `tensorboard` or both, for every training."""
    memory_limit: float | None = None
    """Bytes that each training may take; None: what is free."""

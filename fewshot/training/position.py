"""Where an adaptation stands, and the error that says it was stopped there."""

from __future__ import annotations

from dataclasses import dataclass

from fewshot.errors import FewshotError


class Interrupted(FewshotError):
    """Stopped by Ctrl-C or SIGTERM after a clean checkpoint."""

    exit_code = 130


@dataclass
class Progressed:
    """Where a run stands; part of the resumable state."""

    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Time spent."""
    best_step: int = 0
    """Step of the best score so far."""
    best_score: float = float("inf")
    """Best score so far, lower is better."""

"""Where an adaptation stands, and which of its looks are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from fewshot.errors import ConflictError
from recipes import Recipe

TIE = 0.05
"""A later look is kept where its score is no more than this share worse than the best: the fold is a handful
of drawings, by which scores scatter, and more training brings more of the style."""
CLEAR = 0.03
"""Share by which a score has to be better than before for patience to start anew."""


@dataclass
class Progressed:
    """Where a run stands; part of the resumable state."""

    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Time spent."""
    best_step: int = 0
    """Step of the weights that are kept."""
    best_score: float = float("inf")
    """Best score so far, lower is better."""
    clear_step: int = 0
    """Step of the last clear improvement, which patience counts from."""
    clear_score: float = float("inf")
    """Score at that step."""
    last: int = 0
    """Steps that there are to be, where the time is not enough for the recipe's; else 0."""
    limit: float = 0.0
    """Seconds that this was planned for."""

    def keeps(self, score: float) -> bool:
        """Whether the weights of this step are to be kept for their score; lower is better."""
        # Nothing that is no better than the base itself is kept in its place. KID may be below zero.
        most = self.best_score + TIE * abs(self.best_score) if self.best_step else self.best_score
        if score >= most:
            return False
        self.best_score, self.best_step = min(score, self.best_score), self.step
        if math.isinf(self.clear_score) or score < self.clear_score - CLEAR * abs(self.clear_score):
            self.clear_score, self.clear_step = score, self.step
        return True


def check_together(accelerator: Any, step: int) -> None:
    """Machines that do not see one home would begin at different steps, and wait for each other.

    Raises:
        ConflictError: they do.
    """
    here = torch.tensor([step], device=accelerator.device)
    if len(steps := accelerator.gather(here).unique()) > 1:
        raise ConflictError(
            f"processes would go on at different steps ({', '.join(map(str, steps.tolist()))})",
            "let FEWSHOT_HOME be a folder that all machines share",
        )


def out_of_patience(at: Progressed, recipe: Recipe) -> bool:
    """Whether as many looks as the recipe waits for have not been clearly better."""
    return bool(recipe.patience) and (at.step - at.clear_step) // recipe.eval_every >= recipe.patience


def why_it_ended(at: Progressed, recipe: Recipe, last_step: int, limit: float) -> str:
    """In words, why the training is over and what is kept.

    Args:
        last_step: that it was to go to.
        limit: seconds that it might take.
    """
    best = f"kept step {at.best_step}, with the best score or within {TIE:.0%} of it (lower is better)"
    if at.last and at.step >= at.last:
        return f"stopped at step {at.step}, which {limit / 60:.3g} minutes are enough for; {best}"
    if at.seconds >= limit:
        return f"stopped at step {at.step}: {limit / 60:.3g} minutes are over; {best}"
    if out_of_patience(at, recipe):
        return f"stopped at step {at.step}: no better score for {recipe.patience} looks; {best}"
    if at.step < last_step:
        return f"stopped at step {at.step}: the training diverged; {best}"
    return f"{'all' if at.step == recipe.steps else 'the first'} {at.step} steps done; {best}"

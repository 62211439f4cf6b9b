"""Which recipe to take: a constraint on content, the Pareto set of distance and style, one recommended.

Pure functions of numbers; whether two candidates are tied is asked of the caller, who has the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

CHEAPER = 0.9
"""A tied recipe is cheaper when it takes less than this share of the best one's time: more is noise."""
_PENALTY = 2.0
"""Weight of content that is missing in the objective, as in `fewshot.training.validation`."""


@dataclass(frozen=True)
class Candidate:
    """A recipe with its scores over all folds."""

    number: int
    """Of its trial."""
    label: str
    """The recipe and its knobs, in words."""
    left: float
    """Share of the base's distance to the drawings that is left; 0 is as near as the drawings themselves."""
    style: float
    """Share of results whose nearest hand is the artist's, 0..1."""
    content: float
    """Share of results whose own photo is found again, 0..1."""
    required: float
    """Least `content`: a share of what the base keeps on the same photos."""
    seconds: float
    """Training time per fold."""
    rung: int
    """The last rung that it was scored at, from 0."""

    @property
    def keeps_content(self) -> bool:
        """Whether the constraint holds."""
        return self.content >= self.required

    @property
    def objective(self) -> float:
        """See `objective`."""
        return objective(self.left, self.style, self.content, self.required)


@dataclass(frozen=True)
class Choice:
    """The recommendation."""

    number: int
    """Trial of the recommended candidate."""
    best: int
    """Trial with the best score among those that keep the content; often the same."""
    tied: tuple[int, ...]
    """Other trials whose difference to the best is within its interval."""
    pareto: tuple[int, ...]
    """Of trials trained furthest that keep the content, those that no other beats in distance and style."""
    reason: str
    """Why, in words."""


def objective(left: float, style: float, content: float, required: float) -> float:
    """One number, lower is better: distance left, style missed, and twice what is missing of the content.

    Distance and style are both shares that go from about 1, the base, to 0, so they count alike.
    """
    return left + (1 - style) + _PENALTY * max(0.0, required - content)


def pareto_front(candidates: Sequence[Candidate]) -> tuple[int, ...]:
    """Numbers of those that no other one beats: at least as good in both, better in one; by distance."""

    def beaten(one: Candidate) -> bool:
        return any(
            other.left <= one.left
            and other.style >= one.style
            and (other.left < one.left or other.style > one.style)
            for other in candidates
        )

    front = [c for c in candidates if not beaten(c)]
    return tuple(c.number for c in sorted(front, key=lambda c: (c.left, c.number)))


def recommend(
    candidates: Sequence[Candidate],
    tied: Callable[[Candidate, Candidate], bool] | None = None,
    last: int | None = None,
) -> Choice:
    """Choose among the candidates that were trained furthest.

    The best objective among those that keep the content wins, unless a cheaper one is tied with it. Where
    none keeps the content, the one that keeps most of it is taken, and the reason says so.

    Args:
        candidates: at least one.
        tied: whether the difference of two candidates is within its interval; None: only equal scores are.
        last: rung at which a training is at its end; None: the one that the furthest came to.

    Raises:
        ValueError: no candidates.
    """
    if not candidates:
        raise ValueError("there is nothing to choose from")
    furthest = [c for c in candidates if c.rung == max(c.rung for c in candidates)]
    sound = [c for c in furthest if c.keeps_content]
    front = pareto_front(sound)
    if not sound:
        kept = max(furthest, key=lambda c: (c.content - c.required, -c.objective, -c.number))
        reason = (
            f"{kept.label}: none of {_count(furthest)} keeps enough of the photos "
            f"(at least {kept.required:.0%} found again); this one keeps most, {kept.content:.0%}"
        )
        return Choice(kept.number, kept.number, (), front, reason)
    best = min(sound, key=lambda c: (c.objective, c.seconds, c.number))
    same = tied or (lambda a, b: a.objective == b.objective)
    ties = sorted((c for c in sound if c is not best and same(c, best)), key=lambda c: c.number)
    cheaper = [c for c in ties if c.seconds < CHEAPER * best.seconds]
    taken = min(cheaper, key=lambda c: (c.seconds, c.objective, c.number)) if cheaper else best
    trained = "trained to the end" if last in (None, taken.rung) else "that came furthest, none to the end,"
    reason = _reason(taken, best, ties, sound, trained)
    if len(furthest) == 1 < len(candidates):
        # The others were pruned by the objective, in which content counts, or could not be trained on.
        reason = f"{taken.label}: the one of {_count(candidates)} that was left at the end; {_scores(taken)}"
    return Choice(taken.number, best.number, tuple(sorted(c.number for c in ties)), front, reason)


def _reason(
    taken: Candidate, best: Candidate, ties: list[Candidate], sound: list[Candidate], trained: str
) -> str:
    scores = _scores(taken)
    if len(sound) == 1:
        return f"{taken.label}: the only recipe {trained} that keeps the photos' content; {scores}"
    if taken is not best:
        times = best.seconds / max(taken.seconds, 1e-9)
        return (
            f"{taken.label}: as good as the best, {best.label}, within the interval of their difference, "
            f"which takes {times:.1f} times as long; {scores}"
        )
    among = f"of {_count(sound)} {trained} that keep the photos' content"
    if ties:
        among += f"; {', '.join(c.label for c in ties)} within its interval, but not cheaper"
    return f"{taken.label}: the best score {among}; {scores}"


def _scores(taken: Candidate) -> str:
    return (
        f"{taken.left:.0%} of the base's distance to the drawings is left, the artist's is the nearest hand "
        f"for {taken.style:.0%} of the results, and {taken.content:.0%} of them are found to be their own "
        "photo's"
    )


def _count(candidates: Sequence[Candidate]) -> str:
    return "1 recipe" if len(candidates) == 1 else f"{len(candidates)} recipes"

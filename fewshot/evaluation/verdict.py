"""What the numbers of a report say, in one or two plain sentences that name them."""

from __future__ import annotations

import math

from eval.content import EDGES_VIEW
from eval.intervals import Estimate
from eval.report import interval_text, number_text
from fewshot.evaluation.report_findings import Findings
from fewshot.evaluation.report_sides import Sides

LEANS = 0.05
"""Largest p at which a lean to the training drawings is part of the verdict."""


def verdict(sides: Sides, found: Findings) -> tuple[str, ...]:
    """The distance first, then hand and person, then copies where there is something to fear."""
    judge = found.judges[0].name
    sentences = []
    if judge in found.ratio:
        sentences.append(_against_base(sides, found, judge))
    elif judge in found.kid:
        sentences.append(_against_others(sides, found, judge))
    sentences.append(_hand_and_person(found, judge))
    sentences += _copies(found)
    return tuple(sentences)


def how_apart(a: Estimate, b: Estimate) -> str:
    """Whether two intervals touch, in words."""
    bounds = a.low, a.high, b.low, b.high
    if any(map(math.isnan, bounds)):
        return "there are no intervals"
    if a.high < b.low or b.high < a.low:
        return "the intervals are apart"
    if not all(map(math.isfinite, bounds)):
        return "too few pictures to bound the distances"
    return "the intervals overlap"


def with_interval(estimate: Estimate) -> str:
    """Such as `0.42 [0.22, 0.71]`."""
    return f"{number_text(estimate.value)} {interval_text(estimate)}".rstrip()


def percent(estimate: Estimate) -> str:
    """Such as `75 % [66, 82]`."""
    value, low, high = (round(100 * v) for v in (estimate.value, estimate.low, estimate.high))
    return f"{value} % [{low}, {high}]"


def _against_base(sides: Sides, found: Findings, judge: str) -> str:
    before, after = found.kid[judge]
    ratio = found.ratio[judge]
    numbers = f"KID {with_interval(after)} against {with_interval(before)} by {judge!r}"
    where = f"On these {len(sides.results)} photos {sides.name} is"
    touch = how_apart(before, after)
    left = f"{with_interval(ratio)} of the distance is left"
    if ratio.high < 1:
        return f"{where} nearer to the artist's drawings than its base: {numbers}; {touch}, {left}."
    if ratio.low > 1:
        return f"{where} farther from the artist's drawings than its base: {numbers}; {touch}."
    return (
        f"{where} not measurably nearer to the artist's drawings than its base: {numbers}; the ratio's "
        f"interval {interval_text(ratio)} contains 1."
    )


def _against_others(sides: Sides, found: Findings, judge: str) -> str:
    own = found.kid[judge][-1]
    says = f"The {len(sides.results)} pictures of {sides.name} are at KID {with_interval(own)} by {judge!r}"
    says += f" from the {len(sides.drawings)} drawings"
    hands = [stick for stick in found.yardsticks if stick.kind == "other"]
    if not hands:
        return f"{says}."
    nearest = min(hands, key=lambda stick: stick.kid.value)
    nearer = "nearer than" if own.value < nearest.kid.value else "no nearer than"
    touch = how_apart(own, nearest.kid)
    return (
        f"{says}, {nearer} the nearest other hand, {nearest.label} at {with_interval(nearest.kid)}; {touch}."
    )


def _hand_and_person(found: Findings, judge: str) -> str:
    ranks = found.style[judge]
    hands = len(ranks[-1].styles)
    says = f"{percent(ranks[-1].top1)} of its results look most like this artist among {hands} hands"
    says += f" (of the base's {percent(ranks[0].top1)}; " if len(ranks) > 1 else " ("
    says += f"chance {100 / hands:.0f} %)"
    if not found.views:
        return f"{says}."
    own = found.views[-1][EDGES_VIEW]
    return f"{says}, and {percent(own.top1)} still show their own photo (chance {100 * own.chance:.2g} %)."


def _copies(found: Findings) -> list[str]:
    sentences = []
    if found.copies is not None and found.copies.flagged:
        n, of = len(found.copies.flagged), found.copies.copied.n_y
        verb = "repeats" if n == 1 else "repeat"
        sentences.append(
            f"{n} of {of} results {verb} the layout of a drawing trained on: look at them below."
        )
    if found.lean is not None and found.lean.p < LEANS:
        sentences.append(
            f"Results lean to the drawings trained on: {percent(found.lean.share)} are nearer to one of them "
            f"than to one of as many others (50 % is chance, p = {found.lean.p:.2g})."
        )
    return sentences

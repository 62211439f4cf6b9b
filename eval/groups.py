"""The groups in one artist's drawings (periods, media, moods), and the drawings that belong to none.

How many groups there are is a question of evidence, and one is an answer. Drawings are joined by Ward's
method, cut into 2, 3, … groups, and the cut with the best mean silhouette (Rousseeuw 1987) is compared with
what the same search finds in sets that have no groups: Gaussian ones with the same spread along every axis,
the null hypothesis of SigClust (Liu, Hayes, Nobel and Marron, JASA 103, 2008). Only when fewer than 5 % of
those are cut as well are there groups.

An outlier is farther from its three nearest drawings than these are from theirs (the simplified local outlier
factor of Schubert, Zimek and Kriegel, 2014), by more than the farthest drawing of such a set in 95 % of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from eval.checks import check_features
from eval.errors import EvalError

LEAST = 4
"""Drawings that make a group: fewer are single drawings, and nothing can be learned from them."""
MOST = 8
"""Groups that are looked for; a longer list would not be read."""
FALSE_ALARMS = 0.05
"""Share of sets without groups (and of sets without outliers) in which some are found."""
_SHARE, _AXES = 0.9, 20
"""Principal components kept: this share of the variance, and no more than so many of them."""
_NEIGHBOURS = 3
_SETS, _SETS_LARGE, _LARGE = 199, 59, 300
"""Simulated sets, for up to and for more than so many drawings."""


@dataclass(frozen=True)
class Group:
    """Drawings that are alike."""

    members: tuple[int, ...]
    """Rows of the drawings, outliers not among them."""
    medoid: int
    """Row of the drawing that is nearest to all others of the group: the one to show."""
    outliers: tuple[int, ...]
    """Rows of the outliers that are nearer to this group than to the others."""


@dataclass(frozen=True)
class Groups:
    """A set of drawings, subdivided or not."""

    groups: tuple[Group, ...]
    """Largest first; at least one."""
    silhouette: float
    """Mean silhouette in [-1, 1] of the best cut, whether taken or not; nan where none was possible."""
    by_chance: float
    """What the best cut of a set without groups stays under in 95 % of the cases; nan where none was made."""
    p_value: float
    """Share of sets without groups that are cut as well; 1 where no cut was possible."""

    @property
    def outliers(self) -> tuple[int, ...]:
        """Rows of all outliers, in ascending order."""
        return tuple(sorted(row for group in self.groups for row in group.outliers))


def find_groups(
    features: np.ndarray, names: Sequence[str] | None = None, *, count: int | None = None, seed: int = 0
) -> Groups:
    """Subdivide a set of drawings; the order of the rows does not matter, and equal rows count once.

    Args:
        features: (N, D), N >= 1, of comparable scale in all columns.
        names: of the drawings, for errors.
        count: make this many groups whatever the evidence; None decides by it.
        seed: of the simulated sets.

    Raises:
        EvalError: no drawing; nan or infinity, with the drawing's name; more groups than drawings.
    """
    rows = check_features(features, names)
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    rng = np.random.default_rng(seed)
    apart = _apart(distinct, rng)
    core = np.flatnonzero(~apart)
    if count is not None and not 1 <= count <= len(core):
        raise EvalError(
            f"{count} groups of {len(core)} different drawings are impossible",
            f"ask for 1 to {len(core)} groups",
        )
    points = _principal(distinct[core])
    cuts = dict(_cuts(points, _distances(points), LEAST, MOST))
    scores = {k: score for k, (_, score) in cuts.items()}
    chance = _by_chance(points, rng) if scores else np.zeros(0)
    best = max(scores, key=lambda k: scores[k]) if scores else 1
    p_value = (1 + np.count_nonzero(chance >= scores[best])) / (1 + len(chance)) if scores else 1.0
    wanted = count or (best if p_value <= FALSE_ALARMS else 1)
    labels = np.zeros(len(core), int)
    if wanted > 1:
        labels = cuts[wanted][0] if wanted in cuts else dict(_cuts(points, None, 1, wanted))[wanted][0]
    return Groups(
        _described(distinct, apart, labels, place.ravel()),
        scores.get(best, float("nan")),
        float(np.quantile(chance, 1 - FALSE_ALARMS)) if scores else float("nan"),
        float(p_value),
    )


def _described(
    distinct: np.ndarray, apart: np.ndarray, labels: np.ndarray, place: np.ndarray
) -> tuple[Group, ...]:
    """Groups of the original rows; `place` says which distinct row each of them is."""
    core, gaps = np.flatnonzero(~apart), _distances(distinct)
    whose = np.empty(len(distinct), int)
    whose[core] = labels
    for row in np.flatnonzero(apart):
        whose[row] = labels[gaps[row, core].argmin()]
    groups = []
    for label in range(labels.max() + 1):
        own = core[labels == label]
        medoid = own[gaps[np.ix_(own, own)].sum(1).argmin()]
        inside = (whose == label)[place]
        groups.append(
            Group(
                tuple(np.flatnonzero(inside & ~apart[place]).tolist()),
                int(np.flatnonzero(place == medoid)[0]),
                tuple(np.flatnonzero(inside & apart[place]).tolist()),
            )
        )
    return tuple(sorted(groups, key=lambda group: (-len(group.members), group.members)))


def _apart(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which of the distinct rows (N, D) are outliers: (N,) bool."""
    if len(rows) < 2 * _NEIGHBOURS:
        return np.zeros(len(rows), bool)
    points = _principal(rows)
    farthest = _simulated(points, rng, lambda made: float(_remoteness(made).max()))
    return _remoteness(points) > np.quantile(farthest, 1 - FALSE_ALARMS)


def _remoteness(points: np.ndarray) -> np.ndarray:
    """Logarithm of each point's distance to its nearest over the median of theirs: (N,)."""
    gaps = _distances(points)
    np.fill_diagonal(gaps, np.inf)
    near = np.argpartition(gaps, _NEIGHBOURS - 1, axis=1)[:, :_NEIGHBOURS]
    reach = np.take_along_axis(gaps, near, 1).mean(1) + 1e-12
    return np.log(reach / np.median(reach[near], axis=1))


def _by_chance(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Best silhouettes of sets without groups (B,)."""

    def best(made: np.ndarray) -> float:
        return max((score for _, (_, score) in _cuts(made, _distances(made), LEAST, MOST)), default=-1.0)

    return _simulated(points, rng, best)


def _simulated(
    points: np.ndarray, rng: np.random.Generator, measure: Callable[[np.ndarray], float]
) -> np.ndarray:
    """`measure` of Gaussian sets with as many points as (N, A), and the same spread along each axis."""
    spread, sets = points.std(0), _SETS if len(points) <= _LARGE else _SETS_LARGE
    return np.array([measure(spread * rng.normal(size=points.shape)) for _ in range(sets)])


def _cuts(
    points: np.ndarray, gaps: np.ndarray | None, least: int, most: int
) -> Iterator[tuple[int, tuple[np.ndarray, float]]]:
    """Labels (N,) and mean silhouette of each cut of Ward's tree whose groups have `least` points or more."""
    n = len(points)
    if n < 2 * least:
        return
    tree = AgglomerativeClustering(1, linkage="ward", compute_full_tree=True).fit(points)
    held = {point: [point] for point in range(n)}
    for step, (one, other) in enumerate(tree.children_):
        if 2 <= len(held) <= most and min(map(len, held.values())) >= least:
            labels = np.empty(n, int)
            for label, members in enumerate(held.values()):
                labels[members] = label
            yield len(held), (labels, _silhouette(gaps, labels) if gaps is not None else float("nan"))
        held[n + step] = held.pop(one) + held.pop(other)


def _silhouette(gaps: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette from distances (N, N); every group has two points or more."""
    within, row = np.eye(labels.max() + 1)[labels], np.arange(len(labels))
    counts = within.sum(0)
    sums = gaps @ within
    own = sums[row, labels] / (counts[labels] - 1)
    means = sums / counts
    means[row, labels] = np.inf
    other = means.min(1)
    return float(((other - own) / np.maximum(np.maximum(own, other), 1e-12)).mean())


def _principal(rows: np.ndarray) -> np.ndarray:
    """Principal components (N, A) that hold most of the variance."""
    centred = rows - rows.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    held = np.cumsum(s**2) / max(float((s**2).sum()), 1e-300)
    axes = min(int(np.searchsorted(held, _SHARE)) + 1, _AXES, len(s))
    return u[:, :axes] * s[:axes]


def _distances(points: np.ndarray) -> np.ndarray:
    squares = (points**2).sum(1)
    return np.sqrt(np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0))

"""How often do the intervals of KID contain the truth? Simulated with populations whose KID is known.

A picture's features are drawn as mean + spread * noise with independent noise, normal or skewed, from one
group or from several. The kernel is a cubic polynomial, so its expectation needs the first three moments
only, and the true KID is a closed form.

    python -m eval.calibration                everything at 1,000 draws a row: half an hour on one core
    python -m eval.calibration --draws 100    a glance

What it measured is in `eval/kid_intervals.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from eval.distances import kid_difference_interval, kid_interval, kid_ratio_interval
from eval.intervals import Estimate

SIZES = ((30, 30), (30, 100), (100, 100), (500, 500))
"""Drawings and results."""
DIMENSIONS = (16, 500)
SHIFTS = {"equal": (0.0, 1.0), "slight": (0.12, 1.0), "different": (0.3, 1.05), "far": (0.8, 1.2)}
"""How results differ from drawings: their mean moves by the first in units of the mean spread of a feature,
their spread is multiplied with the second."""
PAIRS = {
    "same again": (0.6, 0.6, 0.8),
    "a little nearer": (0.5, 0.48, 0.98),
    "nearer": (0.6, 0.4, 0.8),
    "much nearer": (0.8, 0.2, 0.5),
    "both there": (0.0, 0.0, 0.5),
}
"""Shift of the results before and after, and the share of noise that both results of a photo have in
common."""


@dataclass(frozen=True)
class Group:
    """One group of pictures: features mean + spread * noise."""

    weight: float
    """Share of the pictures."""
    mean: np.ndarray
    """Of each feature (D,)."""
    spread: np.ndarray
    """Standard deviation of each feature (D,)."""
    skewness: float = 0.0
    """Of the noise of each feature: 0 normal, 2 exponential (gamma noise in general)."""

    def noise(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Independent noise (n, D) of mean 0 and variance 1."""
        shape = (n, len(self.mean))
        if not self.skewness:
            return rng.standard_normal(shape)
        k = 4 / self.skewness**2
        return (rng.gamma(k, size=shape) - k) / np.sqrt(k)


Population = tuple[Group, ...]


def draw(population: Population, n: int, rng: np.random.Generator) -> np.ndarray:
    """Features (n, D) of n independent pictures."""
    counts = rng.multinomial(n, [group.weight for group in population])
    parts = [g.mean + g.spread * g.noise(int(c), rng) for g, c in zip(population, counts, strict=True)]
    return np.concatenate(parts)


def moved(population: Population, shift: float, factor: float) -> Population:
    """The population with its mean moved in a fixed direction and its spread multiplied."""
    dim = len(population[0].mean)
    direction = np.random.default_rng(7).standard_normal(dim)
    direction *= np.sqrt(dim) / np.linalg.norm(direction)
    return tuple(replace(g, mean=g.mean + shift * direction, spread=g.spread * factor) for g in population)


def true_kid(p: Population, q: Population) -> float:
    """KID of two populations, exact."""
    return _expected(p, p) + _expected(q, q) - 2 * _expected(p, q)


def _expected(p: Population, q: Population) -> float:
    """Mean of (x.y / D + 1)^3 over x of p and y of q."""
    return sum(a.weight * b.weight * _expected_groups(a, b) for a in p for b in q)


def _expected_groups(a: Group, b: Group) -> float:
    dim, product = len(a.mean), float(a.mean @ b.mean)
    var_a, var_b = a.spread**2, b.spread**2
    variance = float((a.mean**2) @ var_b + (b.mean**2) @ var_a + var_a @ var_b)
    third = product**3 + 3 * product * variance + 6 * float((a.mean * b.mean) @ (var_a * var_b))
    third += a.skewness * float((a.spread**3) @ (b.mean**3 + 3 * b.mean * var_b))
    third += b.skewness * float((b.spread**3) @ (a.mean**3 + 3 * a.mean * var_a))
    third += a.skewness * b.skewness * float((a.spread**3) @ (b.spread**3))
    return 1 + 3 * product / dim + 3 * (product**2 + variance) / dim**2 + third / dim**3


def _spectrum(dim: int, power: float) -> np.ndarray:
    """Standard deviations falling as rank^-power, mean variance 1."""
    spread = np.arange(1, dim + 1) ** -power
    return np.asarray(spread * np.sqrt(dim / (spread**2).sum()))


def _normal(dim: int) -> Population:
    return (Group(1, np.zeros(dim), np.ones(dim)),)


def _decaying(dim: int) -> Population:
    mean = 0.3 * np.random.default_rng(0).standard_normal(dim)
    return (Group(1, mean, _spectrum(dim, 0.5)),)


def _skewed(dim: int) -> Population:
    return (Group(1, np.zeros(dim), _spectrum(dim, 0.25), skewness=2.0),)


def _clusters(dim: int) -> Population:
    means = 0.8 * np.random.default_rng(0).standard_normal((5, dim))
    spread = np.sqrt(0.4) * _spectrum(dim, 0.5)
    shares = (0.35, 0.25, 0.2, 0.15, 0.05)
    return tuple(Group(share, mean, spread) for share, mean in zip(shares, means, strict=True))


def _heavy(dim: int) -> Population:
    return (Group(0.9, np.zeros(dim), np.full(dim, 0.8)), Group(0.1, np.zeros(dim), np.full(dim, 2.0)))


POPULATIONS: dict[str, Callable[[int], Population]] = {
    "normal": _normal,
    "decaying": _decaying,
    "skewed": _skewed,
    "clusters": _clusters,
    "heavy": _heavy,
}
"""`decaying`: variances 1, 1/2, 1/3, ...; `skewed`: exponential noise; `clusters`: five groups of unequal
size;
`heavy`: one picture in ten with two and a half times the spread."""


@dataclass(frozen=True)
class Coverage:
    """Where the truth lay, as shares of the draws."""

    inside: float
    """Within the interval."""
    below: float
    """Below its lower end."""
    above: float
    """Above its upper end."""
    unbounded: float
    """Intervals without an upper end, which hold every large truth."""

    @classmethod
    def of(cls, truth: float, estimates: Iterator[Estimate]) -> Coverage:
        """Of one truth and the estimates of many draws."""
        ends = np.array([(e.low, e.high) for e in estimates])
        below, above = float((ends[:, 0] > truth).mean()), float((ends[:, 1] < truth).mean())
        return cls(1 - below - above, below, above, float(np.isinf(ends[:, 1]).mean()))


def kid_coverage(kind: str, shift: str, dim: int, sizes: tuple[int, int], draws: int, seed: int) -> Coverage:
    """Coverage of `kid_interval` for one of `POPULATIONS` and `SHIFTS`."""
    rng, p = _generator(seed, kind, shift, dim, sizes), POPULATIONS[kind](dim)
    q = moved(p, *SHIFTS[shift])
    estimates = (kid_interval(draw(p, sizes[0], rng), draw(q, sizes[1], rng)) for _ in range(draws))
    return Coverage.of(true_kid(p, q), estimates)


def pair_coverage(
    kind: str, pair: str, dim: int, sizes: tuple[int, int], draws: int, seed: int
) -> tuple[Coverage, Coverage | None]:
    """Coverage of the difference's and the ratio's interval; a population of one group, one of `PAIRS`."""
    rng, p = _generator(seed, kind, pair, dim, sizes), POPULATIONS[kind](dim)
    shift_before, shift_after, common = PAIRS[pair]
    old, new = moved(p, shift_before, 1)[0], moved(p, shift_after, 1)[0]
    differences, ratios = [], []
    for _ in range(draws):
        drawings, noise = draw(p, sizes[0], rng), old.noise(sizes[1], rng)
        kept = rng.random(noise.shape) < common
        before = old.mean + old.spread * noise
        after = new.mean + new.spread * np.where(kept, noise, new.noise(sizes[1], rng))
        differences.append(kid_difference_interval(drawings, before, after))
        ratios.append(kid_ratio_interval(drawings, before, after))
    far, near = true_kid(p, (old,)), true_kid(p, (new,))
    of_ratio = Coverage.of(near / far, iter(ratios)) if far > 1e-9 else None
    return Coverage.of(near - far, iter(differences)), of_ratio


def _generator(*row: object) -> np.random.Generator:
    """Of its own for each row of the table, so that rows are independent."""
    return np.random.default_rng(list(repr(row).encode()))


def main() -> None:
    """Print a row per population, shift and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--draws", type=int, default=1000, help="per row")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print("interval    population dim    n    m  shift            inside below above  no end (%)")
    for dim in DIMENSIONS:
        for sizes in SIZES:
            for kind in POPULATIONS:
                for shift in SHIFTS:
                    row = kid_coverage(kind, shift, dim, sizes, args.draws, args.seed)
                    _print("kid", kind, dim, sizes, shift, row)
            for kind in ("normal", "decaying", "skewed") if max(sizes) <= 100 else ():
                for pair in PAIRS:
                    rows = pair_coverage(kind, pair, dim, sizes, args.draws, args.seed)
                    for name, found in zip(("difference", "ratio"), rows, strict=True):
                        if found:
                            _print(name, kind, dim, sizes, pair, found)


def _print(name: str, kind: str, dim: int, sizes: tuple[int, int], shift: str, row: Coverage) -> None:
    shares = " ".join(f"{100 * share:5.1f}" for share in (row.inside, row.below, row.above, row.unbounded))
    print(f"{name:<11} {kind:<10} {dim:3} {sizes[0]:4} {sizes[1]:4}  {shift:<16} {shares}", flush=True)


if __name__ == "__main__":
    main()

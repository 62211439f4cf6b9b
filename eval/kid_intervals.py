"""95 % intervals around KID, a difference of two KIDs, and their ratio, from `kid_moments`.

**Why not the bootstrap.** Between equal distributions the linear part of the variance vanishes and only pairs
are left. A resample never finds the witness function flat, because the measured one is not: its variance
comes out three times too large, and the interval held the truth 99.5-100 times in 100. The same happens to
the unbiased variance with normal quantiles when the estimate is high, and the opposite when it is low,
because estimate and variance err together: 86-91 in 100 at 30 pictures.

**KID** therefore inverts a test: the interval holds each true value theta at which the estimate T would be no
surprise, as Wilson's does for a share. What a true value does to the spread of T is known. With C the
covariance of the features of the kernel over n and m, and d the difference of their means, theta = |d|^2 and

    Var T = 4 d'Cd + 2 tr C^2.

The second term, `pairs`, is the same for every theta. The first belongs to a difference that grows from
nothing, so it is 0 at theta = 0 and rises with theta. The largest of three readings of it is taken:

    linear max(u, u^2), u = theta / T     the unbiased estimate, in proportion or, beyond T, to the square
                                          (a larger KID has a larger spread) as far as 4 T, and on in
                                          proportion: a spread that grows as fast as theta itself would
                                          call no KID a surprise. It scatters where T is small
    jackknife theta / (T + bias)          4 theta d'Cd / |d|^2 with d as measured, noise included: steady, and
                                          too large once T is clear of the noise, where a quarter of what the
                                          pairs add to it is taken off
    skewness sqrt(pairs) theta            4 theta tr C^3 / tr C^2, as if d lay along the axes of the noise:
                                          where T is not clear of it nothing is known of the direction, and
                                          styles do differ in what varies most

At theta = 0 nothing but `pairs` is left, which is what makes the interval right between equal distributions.
T leans right there (a sum of weighted squares), so the quantile gets the first Cornish-Fisher term of its
skewness, which fades as the linear part grows; the linear part's share of the variance brings Student's
quantile with Welch's degrees of freedom.

**A difference** of two KIDs loses its linear part only when both sets of results are already distributed like
the drawings. So its interval is symmetric, with the jackknife variance, which holds the pairs twice and so
errs on the wide side, and Student's quantile. **The ratio** is Fieller's with the same variance: all r at
which KID(after) - r KID(before) may be 0. Its variance at any r follows from those of the two KIDs and of
their difference.

`python -m eval.calibration` repeats all measurements of coverage.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from eval.intervals import Z, student_quantile
from eval.kid_moments import Moments

_MOST_SKEW = 0.6
"""Most that skewness may move a quantile, in standard deviations: beyond that its series is no guide."""
_UNKNOWN = 0.6
"""Share of the spread along the axes of the noise that a difference of unknown direction is given. Measured:
with 1 too wide wherever the direction is another one, with 0 too narrow on real features."""
_CLEAR = 0.5
"""Of the two `pairs` that the jackknife holds, what is taken off once the direction is known. Measured, at
many dimensions of which few matter: with 2 too narrow, with 0 too wide."""
_SQUARED = 4.0
"""In estimates, how far the variance of a larger KID grows with the square. Of 600 draws of pictures, with no
end a third of the intervals between equal sets had no upper end; with this one none has, and they hold the
truth as often."""
_HALVINGS = 50
"""Of a bracket no wider than a million standard deviations."""


def inverted(found: Moments) -> tuple[float, float]:
    """Interval of KID: all true values at which the estimate would be no surprise."""
    if found.variance <= 0:
        return found.value, found.value
    surprise = _surprise(found)
    return _end(surprise, found, Z), _end(surprise, found, -Z)


def wide(found: Moments) -> tuple[float, float]:
    """Interval of a difference of two KIDs: Student's, with the jackknife variance."""
    half = student_quantile(Z, min(found.n_x, found.n_y) - 1) * math.sqrt(found.jackknife)
    return found.value - half, found.value + half


def fieller(before: Moments, after: Moments, difference: Moments) -> tuple[float, float]:
    """Interval of KID after / KID before; the upper end is infinite where before may be 0.

    `(after - r before)^2 <= t^2 Var(after - r before)` is `a r^2 - 2 b r + c <= 0`.
    """
    if before.value <= 0:
        return 0.0, math.inf
    square = student_quantile(Z, min(before.n_x, before.n_y) - 1) ** 2
    shared = (before.jackknife + after.jackknife - difference.jackknife) / 2
    a = before.value**2 - square * before.jackknife
    b = before.value * after.value - square * shared
    c = after.value**2 - square * after.jackknife
    root = math.sqrt(max(b * b - a * c, 0.0))
    value = after.value / before.value
    least = min(0.0, value)
    if a > 0:
        return max(least, (b - root) / a), (b + root) / a
    if a < 0 and root > 0 and 0 <= (b - root) / a <= value:
        return (b - root) / a, math.inf
    return least, math.inf


def _surprise(found: Moments) -> Callable[[float, float], float]:
    """How far T lies above the quantile that is z for a normal number, where `truth` is the true KID."""
    noise = math.sqrt(found.pairs)
    squared = max(found.value, 0.0) ** 2
    clear = squared / (squared + found.pairs) if noise else 1.0
    kept = found.jackknife - _CLEAR * clear * found.pairs
    steady = kept / max(found.value + found.bias, noise) if noise else 0.0
    slope = max(steady, (1 - clear) * _UNKNOWN * found.skewness * noise)
    reached = max(found.value, noise)
    sides = (max(found.linear_x, 0.0), found.n_x - 1), (max(found.linear_y, 0.0), found.n_y - 1)
    squares = sum(part**2 / n for part, n in sides)
    freedom = sum(part for part, _ in sides) ** 2 / squares if squares else math.inf

    def surprise(truth: float, z: float) -> float:
        distance = max(truth, 0.0)
        grown = distance / reached if reached else 0.0
        faster = min(max(grown, grown**2), _SQUARED * max(grown, 1.0))
        linear = max(found.linear * faster, slope * distance)
        variance = found.pairs + linear
        if not variance:
            return found.value - truth
        skewness = found.skewness * (found.pairs / variance) ** 1.5
        quantile = z + max(-_MOST_SKEW, min(_MOST_SKEW, skewness * (z * z - 1) / 6))
        if linear:
            quantile += student_quantile(z, freedom * (variance / linear) ** 2) - z
        return found.value - truth - quantile * math.sqrt(variance)

    return surprise


def _end(surprise: Callable[[float, float], float], found: Moments, z: float) -> float:
    """The true KID at which T lies at the quantile z; infinite where there is none."""
    step = math.copysign(math.sqrt(found.variance), z)
    widest = abs(step) * 1e6
    inner = outer = found.value
    while surprise(outer, z) * z <= 0:
        outer -= step
        step *= 2
        if abs(step) > widest:
            return math.copysign(math.inf, -z)
    for _ in range(_HALVINGS):
        middle = (inner + outer) / 2
        if surprise(middle, z) * z > 0:
            outer = middle
        else:
            inner = middle
    return outer

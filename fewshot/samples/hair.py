"""Hair shapes in head coordinates: origin between the cheekbones, unit half a head width, y down."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fewshot.samples.curves import Curve, bezier, bow, ellipse, join, mirror, resample, spline
from fewshot.samples.face import FacePlan


@dataclass(frozen=True)
class Hair:
    """Closed shapes and strand lines of one head of hair."""

    back: tuple[Curve, ...]
    """Shapes behind the face."""
    front: tuple[Curve, ...]
    """Cap, fringe and locks before the face."""
    front_edges: tuple[Curve, ...]
    """The part of their outlines that a contour may follow."""
    back_strands: tuple[Curve, ...]
    """Flow lines of the hair behind the face, root to tip."""
    strands: tuple[Curve, ...]
    """Flow lines of the hair before the face, root to tip."""


def grow(plan: FacePlan, rng: np.random.Generator) -> Hair:
    """Hair of one person; `rng` decides tufts and waves."""
    inner = _fringe(plan, rng)
    outer = _crown(plan)
    cap = join([outer, inner])
    front = [cap]
    strands = _curl_marks(rng) if plan.hair_back == "curly" else _cap_strands(plan, outer, inner, rng)
    edges = [inner if plan.hair_back == "curly" else np.vstack([cap, cap[:1]])]
    for side in (-1, 1):
        if plan.locks:
            lock, lines = _lock(side, plan.locks, rng)
            front.append(lock)
            edges.append(np.vstack([lock, lock[:1]]))
            strands += lines
    back, back_strands = _back(plan, rng)
    return Hair(tuple(back), tuple(front), tuple(edges), tuple(back_strands), tuple(strands))


def _crown(plan: FacePlan) -> Curve:
    """Outer edge of the cap, left temple over the crown to the right temple."""
    lift = plan.hair_volume
    if plan.hair_back == "buzz":
        lift = -0.1
    if plan.hair_back == "curly":
        angle = np.linspace(np.pi * 0.93, 2.07 * np.pi, 40)
        return np.stack([1.06 * np.cos(angle), -0.1 + 1.25 * np.sin(angle)], 1)
    angle = np.linspace(np.pi * 0.93, 2.07 * np.pi, 40)
    a, b = 1.05 + 0.1 * lift, 1.33 + 0.17 * lift
    x = a * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.9
    return np.stack([x, -0.08 + b * np.sin(angle)], 1)


def _fringe(plan: FacePlan, rng: np.random.Generator) -> Curve:
    """Inner edge of the cap, right temple to left temple."""
    right, left = np.array([0.97, 0.22]), np.array([-0.97, 0.22])
    if plan.hair_back == "curly" and plan.fringe == "bangs":
        knots = np.array([[1.0, 0.1], [0.86, -0.3], [0.55, -0.5], [0.2, -0.46], [-0.2, -0.46], [-0.55, -0.5]])
        knots = np.vstack([right, knots, [-0.86, -0.3], [-1.0, 0.1], left])
        return join([bow(a, b, 0.2) for a, b in pairwise(knots)])
    if plan.fringe in ("bangs", "spiky"):
        return _tufts(plan, rng)
    if plan.fringe == "back":
        brow = -0.86 if plan.hair_back != "buzz" else -0.8
        half = np.array(
            [[0.97, 0.22], [0.9, -0.12], [0.83, -0.5], [0.55, brow + 0.04], [0, brow + 0.05 * plan.length]]
        )
        return spline(np.vstack([half, (half[:-1] * [-1, 1])[::-1]]))
    root_x = plan.parting if plan.fringe == "swept" else 0.12 * plan.parting
    root = np.array([root_x, -0.92])
    side = np.sign(root_x)
    short_side = spline([root, [root_x + 0.28 * side, -0.62], [0.84 * side, -0.25], [0.97 * side, 0.22]])
    if plan.fringe == "swept":
        long_side = spline(
            [root, [0.05 * side, -0.5], [-0.5 * side, -0.28], [-0.84 * side, -0.1], [-0.97 * side, 0.22]]
        )
    else:
        long_side = spline([root, [root_x - 0.28 * side, -0.62], [-0.84 * side, -0.25], [-0.97 * side, 0.22]])
    first, second = (short_side, long_side) if side > 0 else (long_side, short_side)
    return join([first[::-1], second])


def _tufts(plan: FacePlan, rng: np.random.Generator) -> Curve:
    """Fringe of hanging tufts, right to left."""
    spiky = plan.fringe == "spiky"
    count = int(rng.integers(4, 6) if spiky else rng.integers(5, 8))
    valleys = np.linspace(0.88, -0.88, count + 1)
    valleys[1:-1] += rng.uniform(-0.06, 0.06, count - 1)
    sag = -0.08 if spiky else 0.16
    base, depth = (-0.42, 0.34) if spiky else (-0.36, 0.1)
    lean = float(rng.uniform(-0.6, 0.6)) * (0.35 if spiky else 0.12)
    pieces = [bow([0.97, 0.22], [0.88, base - depth + 0.25], -0.05)]
    at = np.array([0.88, base - depth + 0.25])
    for k in range(count):
        middle = (valleys[k] + valleys[k + 1]) / 2 + lean
        edge = 0.12 * middle**2
        tip = np.array([middle, base + edge + rng.uniform(-0.06, 0.05)])
        end = np.array([valleys[k + 1], base + 0.12 * valleys[k + 1] ** 2 - depth * rng.uniform(0.7, 1.2)])
        if k == count - 1:
            end = np.array([-0.88, base - depth + 0.25])
        pieces += [bow(at, tip, sag), bow(tip, end, sag)]
        at = end
    return join([*pieces, bow(at, [-0.97, 0.22], -0.05)])


def _cap_strands(plan: FacePlan, outer: Curve, inner: Curve, rng: np.random.Generator) -> list[Curve]:
    """Lines from the parting to the fringe and to the temples."""
    top, root = int(outer[:, 1].argmin()), int(inner[:, 1].argmin())
    rims = (outer[top:], outer[: top + 1][::-1])
    if plan.fringe in ("swept", "centre"):
        edges = (inner[: root + 1][::-1], inner[root:])
        shares = np.linspace(0.1, 0.9, 8)
        return [
            resample(rim, 20) * (1 - f) + resample(edge, 20) * f
            for rim, edge in zip(rims, edges, strict=True)
            for f in shares + rng.uniform(-0.04, 0.04, len(shares))
        ]
    root_x = 0.3 * plan.parting
    crown_y = float(outer[:, 1].min())
    ends = resample(inner, 26)[1:-1]
    lines = []
    for end in ends:
        start = np.array(
            [root_x + 0.35 * (end[0] - root_x) * rng.uniform(0.6, 1), crown_y + rng.uniform(0.04, 0.2)]
        )
        out = np.array([end[0] * 1.0 + 0.15 * (end[0] - root_x), start[1] * 0.55 + end[1] * 0.45 - 0.08])
        lines.append(bezier(start, out, end + rng.normal(0, 0.02, 2)))
    lines += [resample(rim, 20)[4:18] * [0.98 - f, 0.97 - f] for rim in rims for f in (0.02, 0.08, 0.14)]
    return lines


def _curl_marks(rng: np.random.Generator) -> list[Curve]:
    """Small hooks spread over the front of a curly head."""
    angle = np.linspace(1.08, 1.92, 11) * np.pi + rng.uniform(-0.08, 0.08, 11)
    radius = rng.uniform(0.98, 1.2, 11)
    turn = rng.choice((0, 10, 20), 11)
    return [
        np.roll(ellipse([r * np.cos(a), -0.15 + 1.1 * r * np.sin(a)], 0.11, 0.1), t, axis=0)[:26]
        for a, r, t in zip(angle, radius, turn, strict=True)
    ]


def _lock(side: int, length: float, rng: np.random.Generator) -> tuple[Curve, list[Curve]]:
    """One strand of hair before an ear."""
    swing = float(rng.uniform(-0.05, 0.1))
    tip = np.array([0.98 + swing, length + 0.1])
    inside = spline([[0.84, -0.55], [0.87, 0.0], [0.86, 0.55 * length], tip])
    outside = spline([tip, [1.1 + swing, 0.6 * length], [1.12, 0.0], [1.02, -0.6]])
    lines = [
        spline(
            [[0.86 + f * 0.18, -0.5], [0.88 + f * 0.2, 0.1], [0.9 + f * 0.16 + swing / 2, 0.6 * length], tip]
        )
        for f in (0.35, 0.7)
    ]
    flip = np.array([side, 1])
    return join([inside, outside]) * flip, [line * flip for line in lines]


def _back(plan: FacePlan, rng: np.random.Generator) -> tuple[list[Curve], list[Curve]]:
    """Shapes and lines behind the face."""
    v = plan.hair_volume
    nape = spline(
        mirror([[0, -1.25 - 0.15 * v], [0.8, -1.0], [1.05 + 0.07 * v, -0.2], [0.98, 0.35], [0.6, 0.75]]), True
    )
    kind = plan.hair_back
    if kind in ("short", "buzz"):
        return [nape if kind == "short" else nape * [0.93, 0.9]], []
    if kind == "curly":
        return _curls(v), _curl_marks(rng)
    if kind == "bun":
        top = ellipse([0.3 * np.sign(plan.parting), -1.4 - 0.1 * v], 0.38, 0.3)
        swirl = [ellipse(top.mean(0), 0.38 * f, 0.3 * f)[18:38] for f in (0.45, 0.75)]
        return [nape, top], swirl
    if kind == "tail":
        return _tail(nape, float(np.sign(plan.parting)))
    if kind == "twin":
        shapes, lines = [nape], []
        for side in (-1, 1):
            more, extra = _twin(side, rng)
            shapes.append(more)
            lines += extra
        return shapes, lines
    if kind == "bob":
        width, ends = 1.2 + 0.14 * v, [[1.16 + 0.1 * v, 0.95], [0.92, 1.18], [0.5, 1.05], [0, 1.05]]
    else:
        wave = rng.uniform(-0.08, 0.08, 3)
        width = 1.18 + 0.12 * v
        ends = [[1.22 + wave[0], 0.9], [1.38 + wave[1], 1.5], [1.4 + wave[2], 2.1], [1.5, 3.0], [0, 3.0]]
    half = [[0, -1.38 - 0.17 * v], [0.72, -1.2 - 0.1 * v], [width - 0.08, -0.55], [width, 0.3], *ends]
    bottom = 3.0 if kind == "long" else 1.1
    lines = [
        spline(
            [
                [s * f * (width - 0.15), -0.3],
                [s * f * width, 0.4],
                [s * f * (width + 0.06), 0.75 * bottom],
                [s * f * width, bottom],
            ]
        )
        for s in (-1, 1)
        for f in (0.74, 0.82, 0.89, 0.95)
    ]
    return [spline(mirror(half), True)], lines


def _curls(volume: float) -> list[Curve]:
    """A round scalloped mass."""
    angle = np.linspace(0, 2 * np.pi, 17)
    radius = 1.32 + 0.14 * volume
    knots = np.stack([radius * np.cos(angle), -0.28 + radius * 0.98 * np.sin(angle)], 1)
    return [join([bow(a, b, 0.2) for a, b in pairwise(knots)])]


def _tail(nape: Curve, side: float) -> tuple[list[Curve], list[Curve]]:
    """A high tail falling to one side."""
    outside = spline([[0.55, -1.25], [1.15, -1.4], [1.6, -0.9], [1.68, 0.1], [1.5, 0.95]])
    inside = spline([[1.5, 0.95], [1.28, 0.2], [1.15, -0.5], [0.8, -0.85]])
    flip = np.array([side, 1])
    lines = [
        spline(outside[::8] * (1 - f) + inside[::-1][:: max(1, len(inside) // 6)][: len(outside[::8])] * f)
        for f in (0.3, 0.65)
    ]
    return [nape, join([outside, inside]) * flip], [line * flip for line in lines]


def _twin(side: int, rng: np.random.Generator) -> tuple[Curve, list[Curve]]:
    """One of two bunches."""
    swing = float(rng.uniform(-0.1, 0.12))
    outside = spline([[1.0, -0.62], [1.42, -0.6], [1.72, 0.1], [1.68, 0.9], [1.5 + swing, 1.6]])
    inside = spline([[1.5 + swing, 1.6], [1.3, 0.9], [1.2, 0.2], [1.0, -0.25]])
    flip = np.array([side, 1])
    lines = [
        spline([[1.05, -0.45], [1.3 + f, 0.0], [1.36 + f, 0.8], [1.5 + swing, 1.5]]) * flip
        for f in (0.0, 0.12, 0.24)
    ]
    return join([outside, inside]) * flip, lines

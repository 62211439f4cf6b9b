"""From a `FacePlan` to shapes on the page: every outline a hand may fill, stroke or leave out.

All curves are in page coordinates, (0, 0) top left to (1, 1) bottom right; shapes may run over the edge.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fewshot.samples.curves import Curve, Points, ellipse, join, mirror, spline
from fewshot.samples.face import FacePlan
from fewshot.samples.features import Eye, Features, draw_features
from fewshot.samples.hair import grow
from fewshot.samples.mouth import Placer


@dataclass(frozen=True)
class Proportions:
    """What makes a hand's faces its own, on top of the person drawn."""

    scale: float = 0.245
    """Half head width on a page of width 1."""
    centre_y: float = 0.505
    """Height of the head's origin on the page."""
    eye_width: float = 1.0
    """Factor on the eye's width."""
    eye_height: float = 1.0
    """Factor on the eye's height."""
    iris: float = 1.0
    """Factor on the iris."""
    jaw: float = 0.0
    """Added to the person's jaw width."""
    chin: float = 0.0
    """Added to the person's chin length."""
    neck: float = 1.0
    """Factor on the neck's width."""
    pose: float = 1.0
    """Factor on turn and tilt."""


@dataclass(frozen=True)
class Sketch:
    """All shapes of one portrait, back to front."""

    back_hair: tuple[Curve, ...]
    """Closed shapes behind head and body."""
    back_strands: tuple[Curve, ...]
    """Flow lines on them."""
    neck: Curve
    """Closed neck."""
    torso: Curve
    """Closed clothing."""
    neckline: Curve
    """Upper edge of the clothing, open."""
    cloth_parts: tuple[Curve, ...]
    """Collar flaps, hood or roll collar, closed."""
    folds: tuple[Curve, ...]
    """Open lines on the clothing."""
    ears: tuple[Curve, ...]
    """Closed ears, left and right."""
    face: Curve
    """Closed face."""
    jawline: Curve
    """Open lower face contour, ear to ear."""
    face_shadow: Curve
    """Closed shape covering the side away from the light; clip to the face."""
    neck_shadow: Curve
    """Closed cast shadow of the chin; clip to the neck."""
    cheeks: tuple[Curve, ...]
    """Closed blush ellipses."""
    features: Features
    """Eyes, brows, nose, mouth, beard, glasses."""
    front_hair: tuple[Curve, ...]
    """Closed shapes before the face; empty for none."""
    front_edges: tuple[Curve, ...]
    """Open or closed contours of the front hair."""
    strands: tuple[Curve, ...]
    """Flow lines on them."""
    unit: float
    """Half head width on the page, the length that line widths follow."""

    @property
    def eyes(self) -> tuple[Eye, ...]:
        """Left and right eye on the page."""
        return self.features.eyes


def lay_out(plan: FacePlan, hand: Proportions) -> Sketch:
    """Shapes of one person in one hand's proportions; no randomness beyond the plan's own."""
    rng = np.random.default_rng(plan.detail_seed)
    head, body = _placers(plan, hand)
    hair = grow(plan, rng)
    outline = _outline(plan, hand)
    far = -plan.light
    shadow = spline([[0.42, -1.3], [0.5, -0.5], [0.7, 0.05], [0.58, 0.55], [0.22, 1.1], [0.1, 1.5]])
    shadow = np.vstack([shadow, [[1.6, 1.5], [1.6, -1.3]]]) * [far, 1]
    neck, torso, neckline, parts, folds = _body(plan, hand, head)
    ears = [ellipse([0, 0], 0.13, 0.25) @ _turned(0.16) * [s, 1] + [s * 1.0, 0.2] for s in (-1, 1)]
    jaw = outline[(outline[:, 1] > 0.05)]
    placed_jaw = head(jaw[np.argsort(-jaw[:, 0])], 0.0)
    return Sketch(
        back_hair=tuple(head(s, -0.35) for s in hair.back),
        back_strands=tuple(head(s, -0.35) for s in hair.back_strands),
        neck=neck,
        torso=body(torso),
        neckline=body(neckline),
        cloth_parts=tuple(body(s) for s in parts),
        folds=tuple(body(s) for s in folds),
        ears=tuple(head(s, -0.3) for s in ears),
        face=head(outline, 0.0),
        jawline=placed_jaw,
        face_shadow=head(shadow, 0.0),
        neck_shadow=head(outline, 0.0) + np.array([-0.1 * plan.light, 0.3]) * hand.scale,
        cheeks=tuple(head(ellipse([s * 0.56, 0.5], 0.22, 0.13), 0.0) for s in (-1, 1)),
        features=draw_features(plan, hand.eye_width, hand.eye_height, hand.iris, outline, head),
        front_hair=tuple(head(s, 0.02) for s in hair.front),
        front_edges=tuple(head(s, 0.02) for s in hair.front_edges),
        strands=tuple(head(s, 0.02) for s in hair.strands),
        unit=hand.scale,
    )


def _turned(angle: float) -> Curve:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _placers(plan: FacePlan, hand: Proportions) -> tuple[Placer, Callable[[Points], Curve]]:
    """Head points through turn, nod and tilt, and body points, both to the page."""
    yaw = 0.3 * plan.turn * hand.pose
    roll = np.deg2rad(plan.tilt * hand.pose)
    page = np.array([0.5 - 0.02 * plan.turn, hand.centre_y])
    pivot = np.array([0.0, 0.9])

    def head(points: Points, depth: float) -> Curve:
        p = np.array(points, dtype=np.float64)
        inside = 1 - (p[:, 0] / 1.12) ** 2 - ((p[:, 1] + 0.05) / 1.6) ** 2
        z = np.sqrt(np.clip(inside, 0, None)) + depth
        x = p[:, 0] * np.cos(yaw) + z * np.sin(yaw)
        y = p[:, 1] + 0.1 * plan.nod * np.clip(z, 0, None)
        moved = (np.stack([x, y], 1) - pivot) @ _turned(roll) + pivot
        return page + hand.scale * moved

    def body(points: Points) -> Curve:
        shift = np.array([0.06 * plan.turn, 0.0])
        return page + hand.scale * (np.array(points, dtype=np.float64) + shift)

    return head, body


def _outline(plan: FacePlan, hand: Proportions) -> Curve:
    """Face outline in head coordinates."""
    j, c = 0.75 * plan.jaw + hand.jaw, 0.09 * plan.length + hand.chin
    half = [
        [0, -1.28],
        [0.6, -1.14],
        [0.94, -0.62],
        [0.985, -0.1],
        [0.94, 0.33],
        [0.8 + 0.07 * j, 0.72 + 0.3 * c],
        [0.5 + 0.11 * j, 1.02 + 0.8 * c],
        [0.2 + 0.08 * j, 1.2 + c],
        [0, 1.24 + c],
    ]
    return spline(mirror(half), closed=True)


def _body(
    plan: FacePlan, hand: Proportions, head: Placer
) -> tuple[Curve, Curve, Curve, list[Curve], list[Curve]]:
    """Neck on the page; torso, neckline, parts and folds in body coordinates."""
    n = (0.4 + 0.14 * plan.build) * hand.neck
    wide = 1.5 + 0.45 * plan.build
    top = head(np.array([[-n, 0.6], [n, 0.6]]), -0.25)
    page = np.array([0.5 - 0.02 * plan.turn, hand.centre_y])
    base = np.array(
        [[n, 1.42], [n + 0.16, 1.62], [n + 0.5, 2.6], [-n - 0.5, 2.6], [-n - 0.16, 1.62], [-n, 1.42]]
    )
    base = page + hand.scale * np.add(base, [0.06 * plan.turn, 0])
    neck = np.vstack([top[:1], top[1:], spline(base[:3]), spline(base[3:])])
    right = spline([[n + 0.1, 1.5], [n + 0.38, 1.68], [wide - 0.25, 1.88], [wide, 2.15], [wide + 0.1, 3.0]])
    left = (right * [-1, 1])[::-1]
    dip = {"crew": 1.78, "vee": 1.8, "turtle": 1.62, "collar": 1.95, "hood": 1.82}[plan.clothes]
    neckline = spline(
        [[-n - 0.1, 1.5], [-0.55 * n, dip - 0.08], [0, dip], [0.55 * n, dip - 0.08], [n + 0.1, 1.5]]
    )
    if plan.clothes in ("vee", "collar"):
        neckline = join(
            [
                spline([[-n - 0.1, 1.5], [-0.5 * n, 1.8], [0, 2.12]]),
                spline([[0, 2.12], [0.5 * n, 1.8], [n + 0.1, 1.5]]),
            ]
        )
    torso = join([left, neckline, right])
    parts: list[Curve] = []
    if plan.clothes == "turtle":
        roll = [[-n - 0.05, 1.28], [0, 1.4], [n + 0.05, 1.28], [n + 0.14, 1.62], [0, 1.78], [-n - 0.14, 1.62]]
        parts.append(join([spline(roll[:3]), spline(roll[3:])]))
    if plan.clothes == "collar":
        flap = np.array([[n + 0.02, 1.36], [n + 0.34, 1.66], [n + 0.2, 2.14], [0.04, 2.02]])
        parts += [flap, flap * [-1, 1]]
    if plan.clothes == "hood":
        rim = spline([[n + 0.02, 1.34], [n + 0.5, 1.62], [n + 0.28, 1.98], [0.06, 2.1]])
        rim = join([rim, spline([[0.02, 1.94], [0.6 * n, 1.74], [n + 0.02, 1.34]])])
        parts += [rim, rim * [-1, 1]]
    folds = [spline([[s * (wide - 0.4), 2.3], [s * (wide - 0.48), 1.98]]) for s in (-1, 1)]
    folds.append(
        spline([[0.15, 2.3], [0.22, 2.0]]) if plan.clothes != "collar" else spline([[0, 2.12], [0.02, 2.8]])
    )
    return neck, torso, neckline, parts, folds

"""Eyes, brows, nose, mouth, beard and glasses of one face, placed on the page."""

from dataclasses import dataclass

import numpy as np

from fewshot.samples.curves import Curve, ellipse, join, spline
from fewshot.samples.face import FacePlan
from fewshot.samples.mouth import Mouth, Placer, draw_mouth


@dataclass(frozen=True)
class Eye:
    """One eye on the page."""

    side: int
    """-1 left or 1 right of the page."""
    closed: bool
    """True where only the lid line is to be drawn."""
    outline: Curve
    """Closed opening between the lids."""
    upper: Curve
    """Upper lid, inner to outer corner."""
    lower: Curve
    """Lower lid, inner to outer corner."""
    crease: Curve
    """Fold over the lid."""
    lash: Curve
    """Flick at the outer corner."""
    iris: Curve
    """Closed iris; clip to `outline`."""
    pupil: Curve
    """Closed pupil; clip to `outline`."""
    glint: Curve
    """Closed highlight."""


@dataclass(frozen=True)
class Features:
    """Everything inside the face outline."""

    eyes: tuple[Eye, ...]
    """Left, right."""
    brows: tuple[Curve, ...]
    """Open brow lines, inner to outer end."""
    nose_line: Curve
    """Ridge from the eye to the tip, on the shadow side."""
    nose_base: Curve
    """Open line under the tip."""
    nostrils: tuple[Curve, ...]
    """Two short lines."""
    nose_shadow: Curve
    """Closed wedge beside the ridge."""
    mouth: Mouth
    """Lips, opening and teeth."""
    beard: tuple[Curve, ...]
    """Closed beard shapes; clip to face or let them run over the jaw a little."""
    freckles: tuple[Curve, ...]
    """Small closed dots."""
    lenses: tuple[Curve, ...]
    """Closed glasses rims."""
    frame: tuple[Curve, ...]
    """Open bridge and temples of the glasses."""
    earrings: tuple[Curve, ...]
    """Small closed rings."""


def draw_features(
    plan: FacePlan, eye_width: float, eye_height: float, iris: float, outline: Curve, head: Placer
) -> Features:
    """Place all features; `outline` is the face in head coordinates, `head` maps those to the page."""
    w, h = 0.235 * plan.eye_size * eye_width, 0.165 * plan.eye_size * eye_height
    eyes = tuple(_eye(plan, side, w, h, iris, head) for side in (-1, 1))
    brow_y = -0.17 - 0.06 * plan.brow_lift - 0.6 * (h - 0.165)
    brows = []
    for side in (-1, 1):
        inner, outer = 0.07 * plan.brow_angle, -0.05 * plan.brow_angle
        pts = [[0.2, brow_y + 0.03 + inner], [0.44, brow_y - 0.06 + inner / 3], [0.74, brow_y + 0.06 + outer]]
        brows.append(head(spline(pts) * [side, 1], 0.02))
    side = -plan.light if abs(plan.turn) < 0.3 else int(np.sign(plan.turn))
    n = plan.nose
    ridge = spline([[0.1 * side, -0.08], [0.07 * side, 0.1], [0.1 * side, 0.3], [0.12 * n * side, 0.4]])
    wedge = join(
        [spline([[0.05 * side, -0.05], [0.03 * side, 0.3], [0.0, 0.42]]), np.array([[-0.1 * n * side, 0.46]])]
    )
    wedge = join(
        [wedge, spline([[0.0, 0.5], [0.19 * n * side, 0.44], [0.12 * side, 0.2], [0.1 * side, 0.0]])]
    )
    base = spline([[-0.09 * n, 0.45], [-0.03, 0.49], [0.03, 0.49], [0.09 * n, 0.45]])
    nostrils = [spline([[s * 0.15 * n, 0.38], [s * 0.18 * n, 0.44], [s * 0.13 * n, 0.475]]) for s in (-1, 1)]
    rng = np.random.default_rng(plan.detail_seed + 1)
    spots = np.stack([rng.uniform(-0.68, 0.68, 12), rng.uniform(0.3, 0.52, 12)], 1)[: 12 * plan.freckles]
    lenses, frame = _glasses(plan, head)
    return Features(
        eyes=eyes,
        brows=tuple(brows),
        nose_line=head(ridge, 0.16),
        nose_base=head(base, 0.2),
        nostrils=tuple(head(c, 0.14) for c in nostrils),
        nose_shadow=head(wedge, 0.17),
        beard=_beard(plan, outline, head),
        freckles=tuple(head(ellipse(c, 0.018, 0.018, 10), 0.0) for c in spots),
        lenses=lenses,
        frame=frame,
        earrings=tuple(head(ellipse([s * 1.02, 0.53], 0.06, 0.075), -0.3) for s in (-1, 1))
        if plan.earrings
        else (),
        mouth=draw_mouth(plan, head),
    )


def _eye(plan: FacePlan, side: int, w: float, h: float, iris: float, head: Placer) -> Eye:
    cx, cy = 0.425, 0.1
    u = np.linspace(-1, 1, 25)
    slant = -0.1 * plan.eye_slant * w * (u + 1)
    lid = h * plan.eye_open
    arch = (1 - np.abs(u) ** 2.4) ** 0.85

    def place(dx: Curve, dy: Curve) -> Curve:
        return head(np.stack([side * (cx + dx), cy + dy], 1), 0.02)

    upper_y, lower_y = slant - lid * arch, slant + 0.62 * h * (1 - np.abs(u) ** 2.6) ** 0.9
    upper, lower = place(w * u, upper_y), place(w * u, lower_y)
    if plan.eyes_closed:
        upper = place(w * u, slant + 0.3 * h - 0.75 * h * (1 - u**2))
        lower = upper
    gx, gy = side * 0.22 * w * plan.gaze[0], -0.12 * h + 0.16 * h * plan.gaze[1]
    radius = 0.83 * h * iris
    t = np.linspace(0, 2 * np.pi, 32, endpoint=False)

    def disc(r: float, dx: float = 0.0, dy: float = 0.0) -> Curve:
        return place(gx + dx + 0.92 * r * np.cos(t), gy + dy + r * np.sin(t))

    glint = disc(0.27 * radius, side * plan.light * 0.32 * radius, -0.36 * radius)
    v = np.linspace(-0.85, 0.95, 16)
    crease = place(
        w * v, -0.1 * plan.eye_slant * w * (v + 1) - lid * (1 - np.abs(v) ** 2.4) ** 0.85 - 0.32 * h
    )
    end = float(slant[-1])
    lash = place(
        np.array([0.82, 1.05, 1.28]) * w, np.array([end - 0.34 * lid, end - 0.12 * lid, end - 0.42 * lid])
    )
    return Eye(
        side, plan.eyes_closed, np.vstack([upper, lower[::-1]]), upper, lower, crease, lash,
        disc(radius), disc(0.52 * radius), glint,
    )  # fmt: skip


def _beard(plan: FacePlan, outline: Curve, head: Placer) -> tuple[Curve, ...]:
    if plan.beard == "none":
        return ()
    dip = 0.05 * plan.smile
    lip = [
        [-0.4, 0.82 - dip],
        [-0.3, 0.66 - dip],
        [-0.1, 0.56],
        [0, 0.585],
        [0.1, 0.56],
        [0.3, 0.66 - dip],
        [0.4, 0.82 - dip],
    ]
    moustache = join([spline(lip), spline([[0.28, 0.74 - dip], [0, 0.68], [-0.28, 0.74 - dip]])])
    low = outline[outline[:, 1] > 0.28]
    low = low[np.argsort(-low[:, 0])] * [1.02, 1.0]
    low[:, 1] += 0.1 * np.clip((low[:, 1] - 0.5) / 0.7, 0, 1)
    if plan.beard == "goatee":
        chin = [
            [0.36, 0.72],
            [0.43, 0.9],
            [0.36, 1.18],
            [0.2, 1.34],
            [0, 1.39],
            [-0.2, 1.34],
            [-0.36, 1.18],
            [-0.43, 0.9],
        ]
        hollow = [
            [-0.36, 0.72],
            [-0.3, 0.86],
            [-0.2, 1.01],
            [0, 1.03 + 0.08 * plan.mouth_open],
            [0.2, 1.01],
            [0.3, 0.86],
        ]
        ring = spline(np.array([*chin, *hollow]), True)
        return head(moustache, 0.03), head(np.add(ring, [0, 0.04 * plan.length]), 0.0)
    if plan.beard == "moustache":
        return (head(moustache, 0.03),)
    inner = spline(
        [
            [-0.86, 0.4],
            [-0.66, 0.6],
            [-0.36, 0.66],
            [-0.32, 0.9],
            [0, 1.0 + 0.08 * plan.mouth_open],
            [0.32, 0.9],
            [0.36, 0.66],
            [0.66, 0.6],
            [0.86, 0.4],
        ]
    )
    return head(join([low, inner]), 0.0), head(moustache, 0.03)


def _glasses(plan: FacePlan, head: Placer) -> tuple[tuple[Curve, ...], tuple[Curve, ...]]:
    if plan.glasses == "none":
        return (), ()
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    power, rx, ry = (1.0, 0.33, 0.31) if plan.glasses == "round" else (0.55, 0.345, 0.25)
    rim = np.stack(
        [
            np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power * rx,
            np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power * ry,
        ],
        1,
    )
    lenses = tuple(head(np.add(rim, [s * 0.435, 0.13]), 0.06) for s in (-1, 1))
    bridge = head(spline([[-0.1, 0.08], [0, 0.03], [0.1, 0.08]]), 0.08)
    arms = [head(np.array([[s * (0.435 + rx), 0.06], [s * 0.99, 0.04]]), 0.03) for s in (-1, 1)]
    return lenses, (bridge, *arms)

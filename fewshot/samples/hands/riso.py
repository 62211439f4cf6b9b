"""`riso`: three-ink stencil print; coarse dots, plates out of register, a thick midnight contour."""

import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.samples.curves import Curve, ellipse
from fewshot.samples.face import FacePlan
from fewshot.samples.raster import Mask, Page, inside, rgb
from fewshot.samples.sketch import Proportions, Sketch, lay_out

PROPORTIONS = Proportions(
    scale=0.27, centre_y=0.515, eye_width=1.1, eye_height=1.08, iris=0.88, jaw=0.4, chin=0.02, neck=1.15
)
PAPER = rgb("f6f1e4")
INKS = (rgb("ffcc1f"), rgb("ff4f6d"), rgb("1f2a6b"))
SCREENS = (0.12, 0.62, 1.3)
PITCH = 0.0185
# Tones are (yellow, pink, midnight), each 0 to 1; 1 prints solid.
Tone = tuple[float, float, float]
SKIN: tuple[Tone, ...] = (
    (0.1, 0.16, 0),
    (0.3, 0.3, 0),
    (0.5, 0.5, 0.0),
    (0.6, 0.62, 0.14),
    (0.65, 0.72, 0.28),
)
HAIR: tuple[Tone, ...] = ((0, 0, 1), (0, 1, 0.6), (0, 1, 0), (1, 0.45, 0), (1, 0, 0), (0, 0.1, 0.42))
CLOTH: tuple[Tone, ...] = ((0, 1, 0), (0, 0.15, 0.5), (1, 0, 0), (0.0, 0.4, 1), (0, 0, 0))
BACK: tuple[Tone, ...] = ((1, 0, 0), (0, 0.38, 0), (0.45, 0, 0), (0, 0, 0.3), (0.5, 0.4, 0))


class _Plates:
    """Three tone plates; a shape replaces what it covers on all of them."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.tones = np.zeros((3, page.side, page.side), np.float32)
        self.key = np.zeros((page.side, page.side), np.float32)

    def cut(self, mask: Mask, tone: Tone) -> None:
        """Replace plates and contour under `mask`."""
        self.tones += (np.array(tone, np.float32)[:, None, None] - self.tones) * mask
        self.key *= 1 - mask

    def add(self, mask: Mask, tone: Tone) -> None:
        """Print more of each ink under `mask`, contour kept."""
        self.tones = np.clip(self.tones + np.array(tone, np.float32)[:, None, None] * mask, 0, 1)

    def rim(self, mask: Mask, *edges: Curve, width: float) -> None:
        """Contour of a union: lines that would run through its inside are left out."""
        lines = self.page.stroke(*edges, width=width, taper=(1, 1))
        self.key = np.maximum(self.key, lines * (1 - self.page.core(mask, width * 0.6)))

    def contour(self, *curves: Curve, width: float, taper: tuple[float, float] = (0.6, 0.6)) -> None:
        """Solid midnight lines; `width` in pages."""
        self.key = np.maximum(self.key, self.page.stroke(*curves, width=width, taper=taper, swell=0.15))


def draw(plan: FacePlan, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 RGB picture."""
    page = Page(size)
    sketch = lay_out(plan, PROPORTIONS)
    plates = _Plates(page)
    u = sketch.unit
    _background(plates, plan)
    hair = HAIR[_hair_index(plan)]
    plates.cut(page.fill(*sketch.back_hair), hair)
    back = page.fill(*sketch.back_hair)
    plates.rim(back, *(np.vstack([s, s[:2]]) for s in sketch.back_hair), width=0.075 * u)
    _strands(plates, plan, sketch.back_strands, back, u)
    _body(plates, plan, sketch)
    skin = SKIN[plan.skin_tone]
    for ear in sketch.ears:
        plates.cut(page.fill(ear), skin)
        plates.add(page.fill(ear), (0, 0.2, 0))
        _outline(plates, (ear,), 0.06 * u)
    plates.cut(page.fill(*sketch.features.earrings), (1, 0, 0))
    _outline(plates, sketch.features.earrings, 0.035 * u)
    face = page.fill(sketch.face)
    plates.cut(face, skin)
    front = page.fill(*sketch.front_hair)
    _face(plates, plan, sketch, face, front)
    if sketch.front_hair:
        plates.cut(front, hair)
        plates.rim(front, *sketch.front_edges, width=0.07 * u)
        _strands(plates, plan, sketch.strands[1::2], front, u)
    rims = [np.vstack([lens, lens[:1]]) for lens in sketch.features.lenses]
    if rims:
        plates.contour(*rims, *sketch.features.frame, width=0.075 * u, taper=(1, 1))
    return page.shrink(_print(plates, rng))


def _hair_index(plan: FacePlan) -> int:
    """Yellow hair on solid yellow ground would leave the contour alone."""
    return 2 if plan.hair_tone == 4 and plan.back_tone == 0 else plan.hair_tone


def _outline(plates: _Plates, shapes: tuple[Curve, ...], width: float) -> None:
    plates.contour(*(np.vstack([s, s[:2]]) for s in shapes), width=width, taper=(1, 1))


def _background(plates: _Plates, plan: FacePlan) -> None:
    page = plates.page
    tone = BACK[plan.back_tone]
    everything = np.ones((page.side, page.side), np.float32)
    plates.cut(everything, tone)
    x, y = page.grid()
    if plan.background == "disc":
        disc = page.fill(ellipse([0.5 + 0.14 * plan.light, 0.4], 0.38, 0.38, 120))
        plates.cut(disc, (0, 0.9, 0) if plan.back_tone not in (1, 4) else (0.9, 0, 0))
    elif plan.background == "halves":
        fade = np.clip(1.1 - 1.5 * y, 0, 1).astype(np.float32)
        plates.add(fade, (0, 0.0, 0.45) if plan.back_tone != 3 else (0, 0.6, 0))
    elif plan.background == "bands":
        ray = np.arctan2(y - 0.55, x - 0.5) / (2 * np.pi) * 16 % 1 > 0.5
        plates.add(ray.astype(np.float32), (0, 0.3, 0) if plan.back_tone != 3 else (0.7, 0, 0))


def _strands(plates: _Plates, plan: FacePlan, strands: tuple[Curve, ...], mask: Mask, u: float) -> None:
    """Dark hair gets lines of bare pink, lighter hair midnight lines."""
    page = plates.page
    lines = inside(page.stroke(*strands, width=0.045 * u, taper=(0, 0), swell=0.5), mask)
    if _hair_index(plan) in (0, 1):
        plates.tones[2] *= 1 - lines
        plates.tones[1] = np.maximum(plates.tones[1], lines)
    else:
        plates.key = np.maximum(plates.key, lines)


def _body(plates: _Plates, plan: FacePlan, sketch: Sketch) -> None:
    page, u = plates.page, sketch.unit
    neck = page.fill(sketch.neck)
    plates.cut(neck, SKIN[plan.skin_tone])
    plates.add(inside(page.fill(sketch.neck_shadow), neck), (0.1, 0.3, 0.3))
    plates.contour(sketch.neck, width=0.065 * u)
    torso = page.fill(sketch.torso)
    tone = CLOTH[plan.cloth_tone]
    plates.cut(torso, tone)
    if plan.cloth_tone == 4:
        plates.add(inside(page.hatch(0.0, 0.06, 0.45), torso), (0, 0, 1))
    x, _ = page.grid()
    away = np.clip((x - 0.5) * -plan.light * 1.6, 0, 1).astype(np.float32)
    plates.add(inside(away, torso), (0, 0.2, 0.6))
    plates.contour(sketch.torso, *sketch.folds, width=0.08 * u)
    for part in sketch.cloth_parts:
        plates.cut(
            page.fill(part),
            (0, 0, 0.0) if plan.clothes == "collar" else (tone[0], min(1, tone[1] + 0.3), tone[2] * 0.6),
        )
        _outline(plates, (part,), 0.07 * u)


def _face(plates: _Plates, plan: FacePlan, sketch: Sketch, face: Mask, front: Mask) -> None:
    page, u, f = plates.page, sketch.unit, sketch.features
    dim = (0.1, 0.28, 0.16) if plan.skin_tone < 3 else (0.0, 0.1, 0.28)
    plates.add(inside(page.blur(page.fill(sketch.face_shadow), 0.012), face), dim)
    plates.add(inside(np.roll(front, round(0.1 * u * page.side), axis=0), face), dim)
    plates.add(inside(page.fill(*sketch.cheeks), face), (0, 0.4, 0))
    plates.contour(sketch.jawline, width=0.085 * u)
    plates.add(page.fill(f.nose_shadow), (0.1, 0.3, 0.12))
    plates.contour(f.nose_line, width=0.05 * u, taper=(0, 0.8))
    plates.contour(f.nose_base, width=0.06 * u)
    if f.beard:
        yellow, pink, midnight = HAIR[_hair_index(plan)]
        plates.cut(page.fill(*f.beard), (yellow, pink, max(midnight, 0.4)))
        _outline(plates, f.beard, 0.05 * u)
    plates.cut(
        page.fill(f.mouth.upper_lip, f.mouth.lower_lip), (0, 0.95, 0.0 if plan.skin_tone < 3 else 0.25)
    )
    if f.mouth.hole is not None and f.mouth.teeth is not None:
        hole = page.fill(f.mouth.hole)
        plates.cut(hole, (0, 0.6, 1))
        plates.cut(inside(page.fill(f.mouth.teeth), hole), (0, 0, 0))
        _outline(plates, (f.mouth.hole,), 0.045 * u)
    plates.contour(f.mouth.line, width=0.06 * u, taper=(0.4, 0.4))
    for eye in f.eyes:
        if not eye.closed:
            opening = page.fill(eye.outline)
            plates.cut(opening, (0, 0, 0))
            iris = inside(page.fill(eye.iris), opening)
            plates.cut(iris, (0, 0, 1))
            plates.cut(inside(page.fill(eye.glint), opening), (0, 0, 0))
            plates.contour(eye.lower, width=0.035 * u)
            plates.contour(eye.crease, width=0.035 * u, taper=(0, 0))
        plates.contour(eye.upper, width=0.1 * u, taper=(0.4, 0.8))
    plates.contour(*f.brows, width=0.085 * u * plan.brow_weight, taper=(0.8, 0.2))
    plates.key = np.maximum(plates.key, page.fill(*f.freckles))


def _print(plates: _Plates, rng: np.random.Generator) -> NDArray[np.float32]:
    """Screen each plate, shift it, print one ink over the other."""
    page = plates.page
    plates.tones[2] = np.maximum(plates.tones[2], plates.key)
    picture = np.broadcast_to(np.array(PAPER, np.float32), (page.side, page.side, 3)).copy()
    drift = np.array([[0.0065, -0.003], [-0.0055, 0.004], [0.0, 0.0]]) + rng.normal(0, 0.0014, (3, 2))
    for k, ink in enumerate(INKS):
        dots = _screen(page, plates.tones[k], SCREENS[k])
        turn = cv2.getRotationMatrix2D(
            (page.side / 2, page.side / 2), float(rng.normal(0, 0.25)) * (k < 2), 1.0
        )
        turn[:, 2] += drift[k] * page.side
        dots = cv2.warpAffine(dots, turn, (page.side, page.side), borderMode=cv2.BORDER_REPLICATE)
        uneven = 0.95 + 0.03 * page.noise(rng, 0.03, 0.03) + 0.045 * page.noise(rng, 0.0022, 0.0022)
        amount = (dots * np.clip(uneven, 0, 1))[..., None]
        picture *= 1 - amount * (1 - np.array(ink, np.float32))
    return picture


def _screen(page: Page, tone: Mask, angle: float) -> Mask:
    """Round dots whose area follows `tone`; solid above 0.9."""
    x, y = page.grid()
    across = (x * np.cos(angle) + y * np.sin(angle)) / PITCH
    down = (-x * np.sin(angle) + y * np.cos(angle)) / PITCH
    hill = (np.cos(2 * np.pi * across) + np.cos(2 * np.pi * down)) / 4 + 0.5
    dots = np.clip((tone - (1 - hill)) * 5 + 0.5, 0, 1) * (tone > 0.04)
    return np.asarray(np.where(tone > 0.9, tone, dots), dtype=np.float32)

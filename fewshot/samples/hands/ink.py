"""`ink`: black brush on cream paper; lines that swell and taper, hatched shadow, dilute grey wash."""

import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.samples.curves import Curve, ellipse
from fewshot.samples.face import FacePlan
from fewshot.samples.raster import Mask, Page, inside, rgb
from fewshot.samples.sketch import Proportions, Sketch, lay_out

PROPORTIONS = Proportions(
    scale=0.272, centre_y=0.515, eye_width=1.0, eye_height=0.86, iris=0.92, jaw=-0.3, chin=0.07, neck=0.88
)
PAPER, BLACK = rgb("f4ecd8"), rgb("1a1613")
SKIN_WASH = (0.0, 0.04, 0.12, 0.24, 0.36)


class _Sheet:
    """Ink and wash densities that later shapes can cover."""

    def __init__(self, page: Page, rng: np.random.Generator) -> None:
        self.page = page
        self.ink = np.zeros((page.side, page.side), np.float32)
        self.wash = np.zeros_like(self.ink)
        self.wobble = page.noise(rng, 0.05, 0.05) * 0.22
        self.cloud = page.noise(rng, 0.035, 0.035)
        self.streak = page.noise(rng, 0.05, 0.0022, 1.25)
        self.grain = page.noise(rng, 0.0016, 0.0016)

    def cover(self, mask: Mask, wash: float = 0.0) -> None:
        """Blank paper under `mask`, then an even wash."""
        self.ink *= 1 - mask
        self.wash *= 1 - mask
        self.wash += wash * mask

    def paint(self, mask: Mask) -> None:
        """Black."""
        self.ink = np.maximum(self.ink, mask)

    def shade(self, mask: Mask, wash: float) -> None:
        """Another layer of wash, pooled at random."""
        self.wash += wash * mask * (1 + 0.25 * self.cloud)

    def line(
        self, *curves: Curve, width: float, taper: tuple[float, float] = (0.1, 0.1), swell: float = 0.5
    ) -> None:
        """Brush lines; `width` in pages."""
        self.paint(self.page.stroke(*curves, width=width, taper=taper, swell=swell))

    def hatch(self, mask: Mask, angle: float, cover: float, pitch: float = 0.0155) -> None:
        """Hatching that fades where `mask` does."""
        lines = self.page.hatch(angle, pitch, 1.0, self.wobble)
        x = self.page.hatch(angle, pitch, cover, self.wobble)
        self.paint(np.minimum(lines, x) * np.clip(mask * 3 - 1, 0, 1))


def draw(plan: FacePlan, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 RGB picture."""
    page = Page(size)
    sketch = lay_out(plan, PROPORTIONS)
    sheet = _Sheet(page, rng)
    u = sketch.unit
    _background(sheet, plan)
    back = page.fill(*sketch.back_hair)
    _hair(sheet, plan, back, _loops(sketch.back_hair), sketch.back_strands, u)
    _body(sheet, plan, sketch)
    skin = SKIN_WASH[plan.skin_tone]
    for ear in sketch.ears:
        sheet.cover(page.fill(ear), skin + 0.06)
        sheet.line(np.vstack([ear, ear[:1]]), width=0.035 * u)
    sheet.line(*(np.vstack([c, c[:1]]) for c in sketch.features.earrings), width=0.03 * u)
    face = page.fill(sketch.face)
    sheet.cover(face, skin)
    _face(sheet, plan, sketch, face)
    front = page.fill(*sketch.front_hair)
    cast = inside(np.roll(front, round(0.1 * u * page.side), axis=0), face)
    sheet.shade(cast, 0.14)
    _hair(sheet, plan, front, sketch.front_edges, sketch.strands, u)
    _glasses(sheet, sketch)
    return page.shrink(_develop(sheet, rng))


def _background(sheet: _Sheet, plan: FacePlan) -> None:
    page = sheet.page
    dry = np.clip(0.9 + 0.5 * sheet.streak, 0, 1)
    if plan.background == "disc":
        moon = ellipse([0.5 + 0.14 * plan.light, 0.42], 0.37, 0.37, 120)
        disc = page.fill(moon)
        sheet.wash += (0.13 + 0.012 * sheet.cloud) * disc + 0.09 * (disc - page.core(disc, 0.007))
    elif plan.background == "halves":
        x, y = page.grid()
        part = np.clip((x - 0.5) * -plan.light * 2 + 0.62 - 0.25 * y, 0, 1)
        sheet.hatch(part.astype(np.float32), 0.9, 0.22, 0.021)
    elif plan.background == "bands":
        rows = [np.array([[0.06, y], [0.5, y - 0.012], [0.95, y + 0.006]]) for y in (0.2, 0.37, 0.54, 0.71)]
        sheet.shade(page.stroke(*rows, width=0.11, taper=(0.7, 0.5)) * dry, 0.15)


def _loops(shapes: tuple[Curve, ...]) -> tuple[Curve, ...]:
    return tuple(np.vstack([s, s[:1]]) for s in shapes)


def _hair(
    sheet: _Sheet, plan: FacePlan, mask: Mask, edges: tuple[Curve, ...], strands: tuple[Curve, ...], u: float
) -> None:
    """Dark hair is a black mass with carved lights, fair hair is line alone."""
    page = sheet.page
    tone = plan.hair_tone
    sheet.cover(mask, (0, 0, 0.32, 0.2, 0.06, 0.0)[tone])
    if tone < 2:
        lights = page.stroke(*strands[1::3], width=0.035 * u, taper=(0, 0), swell=0.6)
        dry = np.clip(2.4 + 0.9 * sheet.streak, 0, 1)
        sheet.paint(mask * dry * (1 - 0.95 * lights))
        if not strands:
            sheet.paint(mask)
    else:
        flow = page.stroke(
            *strands, width=(0.045, 0.034, 0.03, 0.024)[tone - 2] * u, taper=(0.1, 0), swell=0.4
        )
        sheet.paint(inside(flow, mask))
        if tone == 2:
            sheet.paint(inside(page.stroke(*strands[::3], width=0.09 * u, taper=(0, 0), swell=0.6), mask))
    rim = page.stroke(*edges, width=0.05 * u, taper=(0.5, 0.4), swell=0.3)
    sheet.paint(rim * (1 - page.core(mask, 0.03 * u)))


def _body(sheet: _Sheet, plan: FacePlan, sketch: Sketch) -> None:
    page, u = sheet.page, sketch.unit
    neck = page.fill(sketch.neck)
    sheet.cover(neck, SKIN_WASH[plan.skin_tone])
    cast = inside(page.fill(sketch.neck_shadow), neck)
    sheet.shade(cast, 0.16)
    sheet.hatch(cast, 0.5, 0.3)
    sheet.line(sketch.neck, width=0.035 * u)
    torso = page.fill(sketch.torso)
    sheet.cover(torso)
    if plan.cloth_tone == 0:
        sheet.paint(torso * np.clip(1.7 + 0.9 * sheet.streak, 0, 1))
    elif plan.cloth_tone == 1:
        sheet.hatch(torso, 0.8, 0.26, 0.019)
        sheet.hatch(torso, -0.8, 0.2, 0.019)
    elif plan.cloth_tone == 2:
        sheet.shade(torso, 0.34)
    elif plan.cloth_tone == 3:
        sheet.paint(torso * page.hatch(0.0, 0.052, 0.42, sheet.wobble * 0.3))
    sheet.line(*sketch.folds, width=0.04 * u)
    sheet.line(sketch.torso, width=0.05 * u, taper=(0.5, 0.5))
    for part in sketch.cloth_parts:
        sheet.cover(page.fill(part), 0.0 if plan.clothes == "collar" else 0.14)
        sheet.line(np.vstack([part, part[:1]]), width=0.045 * u, taper=(0.4, 0.4))


def _face(sheet: _Sheet, plan: FacePlan, sketch: Sketch, face: Mask) -> None:
    page, u, f = sheet.page, sketch.unit, sketch.features
    dim = inside(page.blur(page.fill(sketch.face_shadow), 0.02), face)
    sheet.shade(dim, 0.08)
    sheet.hatch(inside(dim, page.blur(face, 0.012)), 0.75 * plan.light + 0.1, 0.2)
    sheet.shade(page.blur(page.fill(*sketch.cheeks), 0.015) * face, 0.05)
    sheet.line(sketch.jawline, width=0.05 * u, taper=(0.25, 0.25), swell=0.5)
    sheet.shade(page.fill(f.nose_shadow), 0.1)
    sheet.line(f.nose_line, width=0.026 * u, taper=(0, 0.3))
    sheet.line(f.nose_base, *f.nostrils, width=0.034 * u)
    _mouth(sheet, plan, sketch)
    for eye in f.eyes:
        opening = page.fill(eye.outline)
        if not eye.closed:
            sheet.cover(opening)
            iris = inside(page.fill(eye.iris), opening)
            sheet.shade(iris, 0.55)
            sheet.paint(inside(page.fill(eye.pupil), opening))
            rim = iris - inside(page.core(page.fill(eye.iris), 0.005), opening)
            sheet.paint(np.clip(rim, 0, 1))
            sheet.cover(inside(page.fill(eye.glint), opening))
            sheet.line(eye.lower[6:], width=0.016 * u)
            sheet.line(eye.crease, width=0.02 * u, taper=(0, 0))
        sheet.line(eye.upper, width=0.066 * u, taper=(0.2, 0.7), swell=0.3)
        if plan.build < 0.55:
            sheet.line(eye.lash, width=0.035 * u, taper=(1, 0), swell=0)
    sheet.line(*f.brows, width=0.075 * u * plan.brow_weight, taper=(0.6, 0.0), swell=0.2)
    sheet.paint(0.7 * page.fill(*f.freckles))


def _mouth(sheet: _Sheet, plan: FacePlan, sketch: Sketch) -> None:
    page, u, f = sheet.page, sketch.unit, sketch.features
    if f.beard:
        beard = page.fill(*f.beard)
        sheet.shade(beard, 0.3)
        hairs = page.hatch(1.45, 0.0095, 0.5 if plan.hair_tone < 4 else 0.28, sheet.wobble * 1.4)
        sheet.paint(beard * hairs * np.clip(1.2 + sheet.grain, 0, 1))
        lips = page.fill(f.mouth.lower_lip, f.mouth.upper_lip)
        sheet.cover(lips, SKIN_WASH[plan.skin_tone])
    sheet.shade(page.fill(f.mouth.upper_lip), 0.28)
    sheet.shade(page.fill(f.mouth.lower_lip), 0.14 * (plan.lips > 0.2))
    if f.mouth.hole is not None and f.mouth.teeth is not None:
        hole = page.fill(f.mouth.hole)
        sheet.paint(hole)
        sheet.cover(inside(page.fill(f.mouth.teeth), hole))
        sheet.line(np.vstack([f.mouth.hole, f.mouth.hole[:1]]), width=0.026 * u)
    sheet.line(f.mouth.line, width=0.042 * u, taper=(0.3, 0.3), swell=0.3)
    if not f.beard:
        sheet.line(f.mouth.chin_mark, width=0.026 * u, taper=(0, 0))


def _glasses(sheet: _Sheet, sketch: Sketch) -> None:
    rims = [np.vstack([lens, lens[:1]]) for lens in sketch.features.lenses]
    if rims:
        sheet.line(*rims, *sketch.features.frame, width=0.042 * sketch.unit, taper=(0.8, 0.8), swell=0.2)


def _develop(sheet: _Sheet, rng: np.random.Generator) -> NDArray[np.float32]:
    """Hand tremor, rough edges and paper."""
    page = sheet.page
    x, y = np.meshgrid(np.arange(page.side, dtype=np.float32), np.arange(page.side, dtype=np.float32))
    shake = [page.noise(rng, 0.03, 0.03) * 0.0011 * page.side for _ in range(2)]
    ink = cv2.remap(sheet.ink, x + shake[0], y + shake[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    wash = cv2.remap(
        sheet.wash, x + shake[0], y + shake[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    ink = np.clip((page.blur(ink, 0.0011) + 0.05 * sheet.grain - 0.5) * 4 + 0.5, 0, 1) * 0.96
    wash = np.clip(page.blur(wash, 0.0015) * (1 + 0.12 * sheet.cloud + 0.06 * sheet.grain), 0, 0.85)
    paper = np.array(PAPER, np.float32) + (0.012 * sheet.grain + 0.008 * sheet.cloud)[..., None]
    density = 1 - (1 - ink) * (1 - wash)
    return np.asarray(paper + (np.array(BLACK, np.float32) - paper) * density[..., None], dtype=np.float32)

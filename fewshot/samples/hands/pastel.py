"""`pastel`: soft chalk on warm grey paper; directional strokes, muted colours, no hard edge."""

import numpy as np
from numpy.typing import NDArray

from fewshot.samples.curves import Curve, ellipse
from fewshot.samples.face import FacePlan
from fewshot.samples.raster import Colour, Mask, Page, inside, rgb
from fewshot.samples.sketch import Proportions, Sketch, lay_out

PROPORTIONS = Proportions(
    scale=0.278, centre_y=0.505, eye_width=1.08, eye_height=1.18, iris=0.98, jaw=0.05, chin=-0.08, neck=0.85
)
PAPER = rgb("d3c6b4")
SKIN = (
    ("f8d9c2", "d39a8a"),
    ("efc09c", "bd7f68"),
    ("d99f78", "9f6352"),
    ("b37a5b", "784840"),
    ("8c5d4a", "56353a"),
)
HAIR = (
    ("43384a", "77698a"),
    ("5c4036", "9a715c"),
    ("87583a", "bd8d62"),
    ("b4633c", "e09a68"),
    ("d4ad6a", "f2dca8"),
    ("948894", "cbc0c6"),
)
CLOTH = ("a2544f", "5b7f90", "cc9a52", "738a62", "d6c5b2")
BACK = ("a8bdb0", "dcb294", "c3a6b4", "93aebd", "dcc791")
SHADE, DARK, LIGHT, ROSE = rgb("6a5570"), rgb("3d2f33"), rgb("f6ead8"), rgb("c9706a")


class _Chalk:
    """A picture and the textures that every stroke on it shares."""

    def __init__(self, page: Page, rng: np.random.Generator) -> None:
        self.page = page
        self.grain = page.noise(rng, 0.0019, 0.0019)
        self.cloud = page.noise(rng, 0.04, 0.04)
        self.strokes = 0
        self.lanes = {a: page.noise(rng, 0.045, 0.0034, a) for a in (0.7, 2.35, 1.5)}
        paper = np.array(PAPER, np.float32)
        self.picture = np.broadcast_to(paper, (page.side, page.side, 3)).copy()
        self.picture += (0.022 * self.grain)[..., None]

    def rub(
        self,
        mask: Mask,
        colour: Colour,
        angle: float = 0.7,
        strength: float = 0.9,
        soft: float = 0.006,
        rough: float = 1.0,
    ) -> None:
        """Rub `colour` over `mask`: broken by paper and stroke, softened over `soft` pages."""
        self.strokes += 1
        lane = np.roll(self.lanes[angle], (self.strokes * 97, self.strokes * 61), axis=(0, 1))
        grit = 0.2 + 0.8 * rough
        edge = self.page.blur(mask, soft)
        cover = np.clip(
            (edge + 0.11 * rough * lane * edge + 0.1 * grit * self.grain * np.sqrt(edge) - 0.3) / 0.42, 0, 1
        )
        cover *= np.clip(0.93 + 0.08 * grit * self.grain + 0.08 * rough * lane, 0, 1) * strength
        shift = (0.02 * rough * lane + 0.018 * self.cloud)[..., None]
        self.picture += (np.array(colour, np.float32) + shift - self.picture) * cover[..., None]

    def line(self, *curves: Curve, width: float, colour: Colour, strength: float = 0.9) -> None:
        """Soft chalk lines; `width` in pages."""
        stroke = self.page.stroke(*curves, width=width, taper=(0.35, 0.25), swell=0.3)
        self.rub(stroke, colour, 1.5, strength, soft=0.0026)


def draw(plan: FacePlan, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 RGB picture."""
    page = Page(size)
    sketch = lay_out(plan, PROPORTIONS)
    chalk = _Chalk(page, rng)
    u = sketch.unit
    _background(chalk, plan)
    back = page.fill(*sketch.back_hair)
    _hair(chalk, plan, back, sketch.back_strands, u, dim=True)
    _body(chalk, plan, sketch)
    skin, shade = (rgb(c) for c in SKIN[plan.skin_tone])
    ears = page.fill(*sketch.ears)
    chalk.rub(ears, _mix(skin, shade, 0.45))
    chalk.rub(page.fill(*sketch.features.earrings), rgb("e3c582"), soft=0.003)
    face = page.fill(sketch.face)
    front = page.fill(*sketch.front_hair)
    chalk.rub(face, skin, soft=0.005, rough=0.4, strength=1.0)
    _model(chalk, plan, sketch, face, front)
    _face(chalk, plan, sketch, face)
    if sketch.front_hair:
        _hair(chalk, plan, front, sketch.strands, u, dim=False)
    rims = [np.vstack([lens, lens[:1]]) for lens in sketch.features.lenses]
    if rims:
        chalk.line(*rims, *sketch.features.frame, width=0.05 * u, colour=DARK)
    chalk.picture += (0.012 * chalk.grain)[..., None]
    return page.shrink(chalk.picture)


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    """`share` of `b` in `a`."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def _background(chalk: _Chalk, plan: FacePlan) -> None:
    """A loose rubbed ground that leaves paper at the margins."""
    page = chalk.page
    x, y = page.grid()
    ground = rgb(BACK[plan.back_tone])
    margin = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) + 0.008 * chalk.cloud
    loose = np.clip(margin / 0.05, 0, 1).astype(np.float32)
    chalk.rub(loose, ground, 0.7, 0.75, 0.015)
    other = _mix(ground, LIGHT, 0.45)
    if plan.background == "disc":
        chalk.rub(page.fill(ellipse([0.5 + 0.15 * plan.light, 0.38], 0.33, 0.33, 90)), other, 2.35, 0.6, 0.02)
    elif plan.background == "halves":
        side = np.clip(0.5 + (x - 0.5) * plan.light * 2.4, 0, 1) * loose
        chalk.rub(side.astype(np.float32), other, 2.35, 0.7, 0.02)
    elif plan.background == "bands":
        band = (np.clip(1.2 - 1.6 * y, 0, 1) * loose).astype(np.float32)
        chalk.rub(band, _mix(ground, SHADE, 0.35), 2.35, 0.6, 0.02)
    else:
        halo = np.clip(1.4 - 2.6 * np.hypot(x - 0.5 - 0.12 * plan.light, y - 0.4), 0, 1).astype(np.float32)
        chalk.rub(halo, other, 2.35, 0.5, 0.02)


def _hair(chalk: _Chalk, plan: FacePlan, mask: Mask, strands: tuple[Curve, ...], u: float, dim: bool) -> None:
    base, gloss = (rgb(c) for c in HAIR[plan.hair_tone])
    page = chalk.page
    chalk.rub(mask, _mix(base, DARK, 0.25) if dim and plan.hair_back != "curly" else base, 1.5, 0.95, 0.006)
    near = page.blur(mask, 0.004)
    dark = page.stroke(*strands[::2], width=0.07 * u, taper=(0.2, 0), swell=0.3)
    lit = page.stroke(*strands[1::2], width=0.06 * u, taper=(0, 0.2), swell=0.5)
    chalk.rub(inside(dark, near), _mix(base, DARK, 0.55), 1.5, 0.55, 0.003)
    chalk.rub(inside(lit, near), gloss, 1.5, 0.4 if dim and plan.hair_back != "curly" else 0.75, 0.0035)
    if not dim:
        x, y = page.grid()
        crown = np.clip(1 - 3.2 * np.hypot(x - 0.5 - 0.12 * plan.light, 1.4 * (y - 0.2)), 0, 1).astype(
            np.float32
        )
        chalk.rub(inside(crown, mask), gloss, 2.35, 0.55, 0.008)


def _body(chalk: _Chalk, plan: FacePlan, sketch: Sketch) -> None:
    page, u = chalk.page, sketch.unit
    skin, shade = (rgb(c) for c in SKIN[plan.skin_tone])
    cloth = rgb(CLOTH[plan.cloth_tone])
    neck = page.fill(sketch.neck)
    chalk.rub(neck, _mix(skin, shade, 0.25))
    chalk.rub(inside(page.fill(sketch.neck_shadow), neck), _mix(shade, SHADE, 0.25), 2.35, 0.75, 0.009)
    torso = page.fill(sketch.torso)
    chalk.rub(torso, cloth, 0.7, 0.92)
    x, _ = page.grid()
    away = np.clip(0.4 + (x - 0.5) * -plan.light * 2.2, 0, 1).astype(np.float32)
    chalk.rub(inside(away, torso), _mix(cloth, SHADE, 0.55), 2.35, 0.7, 0.01)
    chalk.rub(inside(1 - away, torso), _mix(cloth, LIGHT, 0.35), 0.7, 0.3, 0.01)
    trim = _mix(cloth, LIGHT, 0.7 if plan.clothes == "collar" else 0.2)
    chalk.rub(page.fill(*sketch.cloth_parts), trim, 2.35, 0.9, 0.004)
    rims = [np.vstack([p, p[:1]]) for p in sketch.cloth_parts]
    chalk.line(*sketch.folds, *rims, width=0.035 * u, colour=_mix(cloth, DARK, 0.55), strength=0.6)


def _model(chalk: _Chalk, plan: FacePlan, sketch: Sketch, face: Mask, front: Mask) -> None:
    """Light and shade on the face, cool against warm."""
    page, u = chalk.page, sketch.unit
    skin, shade = (rgb(c) for c in SKIN[plan.skin_tone])
    chalk.rub(inside(page.blur(page.fill(sketch.face_shadow), 0.03), face), shade, 2.35, 0.5, 0.016, 0.5)
    drop = round(0.13 * u * page.side)
    chalk.rub(inside(np.roll(front, drop, axis=0), face), _mix(shade, SHADE, 0.3), 2.35, 0.5, 0.014, 0.4)
    chalk.rub(inside(page.fill(*sketch.cheeks), face), _mix(shade, ROSE, 0.6), 0.7, 0.6, 0.022)
    brow = sketch.face.mean(0) + np.array([0.3 * plan.light, -0.28]) * u
    chalk.rub(
        inside(page.fill(ellipse(brow, 0.3 * u, 0.2 * u)), face),
        _mix(skin, LIGHT, 0.55),
        0.7,
        0.45,
        0.024,
        0.5,
    )
    chalk.line(sketch.jawline, width=0.04 * u, colour=_mix(shade, DARK, 0.35), strength=0.5)


def _face(chalk: _Chalk, plan: FacePlan, sketch: Sketch, face: Mask) -> None:
    page, u, f = chalk.page, sketch.unit, sketch.features
    shade = rgb(SKIN[plan.skin_tone][1])
    deep = _mix(shade, DARK, 0.55)
    hair = _mix(rgb(HAIR[plan.hair_tone][0]), DARK, 0.3)
    chalk.rub(page.fill(f.nose_shadow), shade, 0.7, 0.5, 0.007)
    chalk.line(f.nose_base, *f.nostrils, width=0.036 * u, colour=deep, strength=0.7)
    chalk.rub(page.fill(*f.freckles), shade, 0.7, 0.9, 0.002)
    chalk.rub(page.fill(*f.beard), hair, 1.5, 0.85, 0.008)
    lip = _mix(_mix(shade, ROSE, 0.6), DARK, 0.12)
    chalk.rub(page.fill(f.mouth.upper_lip), _mix(lip, DARK, 0.15), 0.7, 0.85, 0.004)
    chalk.rub(page.fill(f.mouth.lower_lip), _mix(lip, LIGHT, 0.12), 0.7, 0.8, 0.005)
    if f.mouth.hole is not None and f.mouth.teeth is not None:
        hole = page.fill(f.mouth.hole)
        chalk.rub(hole, rgb("5a2a2e"), 1.5, 0.95, 0.003)
        chalk.rub(inside(page.fill(f.mouth.teeth), hole), LIGHT, 1.5, 0.9, 0.003)
    chalk.line(f.mouth.line, width=0.04 * u, colour=deep)
    iris = rgb(("5b4032", "6f7f58", "5d7c8c", "4a342c", "7a5a35")[(plan.detail_seed + plan.hair_tone) % 5])
    for eye in f.eyes:
        if not eye.closed:
            opening = page.fill(eye.outline)
            chalk.rub(opening, rgb("efe6da"), 1.5, 0.9, 0.003)
            chalk.rub(inside(page.fill(eye.iris), opening), iris, 1.5, 1.0, 0.003)
            chalk.rub(inside(page.fill(eye.pupil), opening), DARK, 1.5, 0.95, 0.0028)
            chalk.rub(page.fill(eye.glint), rgb("fffaf0"), 1.5, 1.0, 0.0022)
            chalk.line(eye.crease, width=0.03 * u, colour=deep, strength=0.55)
            chalk.line(eye.lower[8:], width=0.024 * u, colour=deep, strength=0.5)
        chalk.line(eye.upper, width=0.085 * u, colour=DARK, strength=0.95)
    chalk.line(*f.brows, width=0.09 * u * plan.brow_weight, colour=hair, strength=0.85)

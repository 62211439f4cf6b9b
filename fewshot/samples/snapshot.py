"""Rendered snapshots: people of `FacePlan`s as a phone camera would see them, without a line.

They are what an adaptation that is given no photos learns on. They need not deceive anybody; what counts is
that skin, hair, light, grain and cluttered backgrounds are as in photos, and that there is no outline that a
generator could copy instead of drawing its own.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fewshot.samples.camera import any_colour, backdrop, exposed
from fewshot.samples.curves import Curve, ellipse
from fewshot.samples.face import FacePlan
from fewshot.samples.raster import Mask, Page, Picture, inside, lay
from fewshot.samples.sketch import Proportions, lay_out

SKIN = (
    *((0.96, 0.80, 0.71), (0.90, 0.70, 0.58), (0.80, 0.58, 0.44), (0.62, 0.42, 0.31)),
    (0.42, 0.28, 0.21),
)
HAIR = (
    *((0.07, 0.06, 0.06), (0.16, 0.10, 0.07), (0.30, 0.19, 0.11), (0.45, 0.22, 0.12)),
    *((0.74, 0.57, 0.36), (0.55, 0.53, 0.51)),
)
IRIS = ((0.22, 0.14, 0.09), (0.30, 0.36, 0.28), (0.30, 0.42, 0.50), (0.14, 0.10, 0.08))
BLOOD, SOCKET, NOSE = (1.03, 0.86, 0.85), (0.80, 0.72, 0.70), (0.82, 0.74, 0.70)
"""What skin is multiplied by where it is rosy, or in the shade."""
_HAIR_SHARES = (0.25, 0.25, 0.2, 0.1, 0.14, 0.06)
"""How often each colour of `HAIR` is met: most hair is dark."""


def draw(plan: FacePlan, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 RGB picture."""
    scene = _Scene(sitter(plan), rng, Page(size))
    sketch = scene.sketch
    scene.hair(sketch.back_hair, behind=True)
    scene.body()
    scene.head()
    scene.eyes()
    scene.mouth_and_beard()
    if sketch.front_hair:
        scene.hair(sketch.front_hair, behind=False)
    scene.glasses_and_rings()
    return scene.page.shrink(exposed(scene.picture, scene.page, rng))


def sitter(plan: FacePlan) -> FacePlan:
    """The person as people take pictures of themselves: hair is dark and often long and loose, heads lean.

    They turn and lean further than a `FacePlan` of a hand does, and chins are longer and narrower.
    """
    rng = np.random.default_rng(plan.detail_seed)
    hair, locks, fringe = plan.hair_back, plan.locks, plan.fringe
    if plan.beard == "none" and rng.uniform() < 0.6:
        hair = str(rng.choice(("long", "long", "long", "bob", "tail")))
        locks = float(rng.uniform(0.7, 1.7)) if rng.uniform() < 0.6 else 0.0
    if hair not in ("curly", "buzz") and rng.uniform() < 0.6:
        fringe = str(rng.choice(("centre", "swept", "swept", "back")))
    return replace(
        plan,
        hair_back=hair,
        locks=locks,
        fringe=fringe,
        hair_tone=int(rng.choice(len(HAIR), p=_HAIR_SHARES)),
        tilt=float(np.clip(rng.normal(0, 13), -30, 30)),
        turn=float(rng.uniform(-1.4, 1.4)),
        length=float(rng.uniform(-0.2, 1.6)),
        jaw=plan.jaw - 0.2,
    )


def proportions(rng: np.random.Generator) -> Proportions:
    """Nearer to people than a hand's are, at arm's length or further."""
    return Proportions(
        scale=float(rng.uniform(0.22, 0.36)),
        centre_y=float(rng.uniform(0.46, 0.58)),
        eye_width=float(rng.uniform(0.72, 0.88)),
        eye_height=float(rng.uniform(0.5, 0.72)),
        iris=0.8,
        neck=float(rng.uniform(0.95, 1.15)),
    )


class _Scene:
    """One person before a background; every method lays more of it over `picture`."""

    def __init__(self, plan: FacePlan, rng: np.random.Generator, page: Page) -> None:
        self.plan, self.rng, self.page = plan, rng, page
        self.sketch = lay_out(plan, proportions(rng))
        self.u = self.sketch.unit
        skin = np.array(SKIN[plan.skin_tone]) * rng.uniform(0.85, 1.1) + rng.normal(0, 0.02, 3)
        self.skin = np.clip(skin, 0.05, 1)
        self.hair_colour = np.clip(np.array(HAIR[plan.hair_tone]) * rng.uniform(0.7, 1.3), 0.03, 0.95)
        self.dark = np.clip(self.skin * [0.4, 0.28, 0.25], 0.02, 1)
        side, above, before = np.sin(rng.uniform(-1, 1)), rng.uniform(0.1, 0.7), rng.uniform(0.5, 1.2)
        light = np.array([side, -above, before])
        self.light = light / np.linalg.norm(light)
        self.ambient = float(rng.uniform(0.3, 0.75))
        self.grain = page.noise(rng, 0.002, 0.002)
        self.cloud = page.noise(rng, 0.05, 0.05)
        self.picture: Picture = backdrop(page, rng) + (0.05 * self.cloud)[..., None]

    def lit(self, mask: Mask, colour: ArrayLike, depth: float) -> Picture:
        """A rounded body of one colour in the scene's light (Lambert); `depth` of its rim in pages."""
        height = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / self.page.side
        height = depth * np.sqrt(np.clip(1 - (1 - np.clip(height / depth, 0, 1)) ** 2, 0, 1))
        down, right = np.gradient(self.page.blur(height.astype(np.float32), 0.02) * self.page.side)
        normal = np.stack([-right, -down, np.ones_like(down)], -1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        light = self.ambient + (1.15 - self.ambient) * np.clip(normal @ self.light, 0, None)
        # Shade on skin and cloth is warm: blue falls first.
        return (np.asarray(colour) * light[..., None] ** np.array([0.9, 1.05, 1.12])).astype(np.float32)

    def over(self, colour: ArrayLike, mask: Mask, *, soft: float = 0.002, strength: float = 1.0) -> None:
        """Lay a colour or a picture over the scene, its edge `soft` pages wide."""
        lay(self.picture, colour, np.clip(strength * self.page.blur(mask, soft), 0, 1))

    def tint(self, factors: ArrayLike, mask: Mask, *, soft: float, strength: float) -> None:
        """Multiply what is there, inside the face."""
        face = self.page.fill(self.sketch.face)
        lay(
            self.picture,
            self.picture * np.asarray(factors, np.float32),
            strength * inside(self.page.blur(mask, soft), face),
        )

    def line(
        self, curve: Curve, width: float, colour: ArrayLike, strength: float, soft: float = 0.003
    ) -> None:
        """A soft stroke; `width` in half head widths."""
        stroke = self.page.stroke(curve, width=width * self.u, taper=(0.4, 0.3), swell=0.3)
        self.over(colour, stroke, soft=soft, strength=strength)

    def hair(self, shapes: tuple[Curve, ...], *, behind: bool) -> None:
        """Strands of noise: darker behind the head; before it with a band of shine and a shadow."""
        page, rng, mask = self.page, self.rng, self.page.fill(*shapes)
        angle = float(rng.uniform(1.2, 1.9))
        strand = page.noise(rng, 0.08, 0.0028, angle) + 0.7 * page.noise(rng, 0.15, 0.011, angle)
        if self.plan.hair_back == "curly":
            strand = 1.3 * page.noise(rng, 0.012, 0.009)
        _, y = page.grid()
        band = float(self.sketch.face[:, 1].min()) + rng.uniform(0, 0.3) * self.u
        shine = rng.uniform(0, 0.5) * np.exp(-(((y - band) / (0.35 * self.u)) ** 2))
        tone = np.clip(1 + 0.2 * strand + (0 if behind else shine), 0.2, None) * (0.7 if behind else 1)
        if not behind:
            self.tint(
                (0.55,) * 3, np.roll(mask, round(0.08 * self.u * page.side), 0), soft=0.02, strength=0.7
            )
        rim = page.blur(mask, 0.012) * (1 - page.core(mask, 0.012))
        cover = np.clip(page.blur(mask, 0.004) + 0.18 * strand * rim, 0, 1)
        lay(self.picture, self.lit(mask, self.hair_colour, 0.35 * self.u) * tone[..., None], cover)

    def body(self) -> None:
        """Neck under the chin's shadow, and clothes with folds, some striped."""
        page, rng, sketch = self.page, self.rng, self.sketch
        neck = page.fill(sketch.neck)
        self.over(self.lit(neck, self.skin * 0.93, 0.3 * self.u), neck)
        lay(
            self.picture,
            self.picture * 0.6,
            0.8 * inside(page.blur(page.fill(sketch.neck_shadow), 0.02), neck),
        )
        cloth, torso = any_colour(rng, 0.75), page.fill(sketch.torso)
        fabric = self.lit(torso, cloth, 0.9 * self.u)
        if rng.uniform() < 0.35:
            stripes = page.hatch(rng.uniform(0, np.pi), rng.uniform(0.02, 0.08), rng.uniform(0.2, 0.6))
            lay(fabric, self.lit(torso, any_colour(rng, 0.75), 0.9 * self.u), stripes)
        folds = page.noise(rng, 0.12, 0.03, rng.uniform(0.6, 2.4))
        self.over(fabric * (1 + 0.1 * folds)[..., None], torso, soft=0.003)
        parts = page.fill(*sketch.cloth_parts)
        self.over(self.lit(parts, np.clip(cloth * 1.15, 0, 1), 0.2 * self.u), parts)

    def head(self) -> None:
        """Ears and face: rosy cheeks, shade beside the nose, sockets, some shine."""
        page, sketch, f, u = self.page, self.sketch, self.sketch.features, self.u
        ears, face = page.fill(*sketch.ears), page.fill(sketch.face)
        self.over(self.lit(ears, self.skin * 0.88, 0.1 * u), ears)
        self.over(self.lit(face, self.skin, 0.85 * u) * (1 + 0.03 * self.cloud)[..., None], face, soft=0.003)
        self.tint(BLOOD, page.fill(*sketch.cheeks), soft=0.025, strength=0.6)
        self.tint(NOSE, page.fill(f.nose_shadow), soft=0.009, strength=0.7)
        for eye in f.eyes:
            self.tint(SOCKET, page.fill(eye.outline), soft=0.02, strength=0.5)
            self.tint(SOCKET, page.stroke(eye.crease, width=0.12 * u), soft=0.012, strength=0.5)
        tip, brow = f.nose_base.mean(0) - [0, 0.1 * u], sketch.face.mean(0) - [0, 0.75 * u]
        shiny = page.fill(ellipse(tip, 0.07 * u, 0.07 * u), ellipse(brow, 0.25 * u, 0.25 * u))
        self.picture += (self.rng.uniform(0, 0.16) * inside(page.blur(shiny, 0.02), face))[..., None]
        self.line(f.nose_base, 0.05, self.dark, 0.35, 0.006)
        for nostril in f.nostrils:
            self.line(nostril, 0.055, self.dark, 0.6, 0.004)
        self.over(self.skin * [0.7, 0.55, 0.5], page.fill(*f.freckles), strength=0.5)

    def eyes(self) -> None:
        """Eyes with lids and lashes, and brows."""
        page, rng, f = self.page, self.rng, self.sketch.features
        iris, white = np.array(IRIS[rng.integers(len(IRIS))]) * rng.uniform(0.8, 1.2), rng.uniform(0.75, 1.0)
        lash = rng.uniform(0.03, 0.075)
        for eye in f.eyes:
            if not eye.closed:
                opening = page.fill(eye.outline)
                self.over(np.array([0.86, 0.82, 0.80]) * white, opening)
                self.over(iris, inside(page.fill(eye.iris), opening))
                self.over((0.03, 0.02, 0.02), inside(page.fill(eye.pupil), opening))
                glint = ellipse(eye.glint.mean(0), 0.018 * self.u, 0.018 * self.u)
                self.over((1.0, 1.0, 1.0), page.fill(glint), soft=0.0015, strength=0.8)
                self.line(eye.lower, 0.02, self.dark, 0.45)
                self.line(eye.crease, 0.03, self.dark, 0.35, 0.004)
            self.line(eye.upper, lash, self.dark * 0.5, 0.9, 0.0025)
        colour = np.minimum(self.hair_colour * 0.8 + 0.02, self.dark * 1.2)
        for brow in f.brows:
            width = 0.1 * self.u * self.plan.brow_weight
            stroke = page.stroke(brow, width=width, taper=(0.6, 0.2), swell=0.2)
            hairs = 0.75 * page.blur(stroke, 0.005) * (1 + 0.3 * self.grain)
            lay(self.picture, colour, np.clip(hairs, 0, 1))

    def mouth_and_beard(self) -> None:
        """Lips, teeth where they show, and a beard of grain."""
        page, rng, mouth = self.page, self.rng, self.sketch.features.mouth
        red = rng.uniform(-0.05, 0.12) * np.array([1, -0.3, -0.2])
        lips = np.clip(self.skin * [0.85, 0.55, 0.55] + red, 0.03, 1)
        self.over(lips * 0.85, page.fill(mouth.upper_lip), soft=0.0035, strength=0.85)
        self.over(lips * 1.05, page.fill(mouth.lower_lip), soft=0.0035, strength=0.8)
        if mouth.hole is not None and mouth.teeth is not None:
            hole = page.fill(mouth.hole)
            self.over((0.20, 0.06, 0.06), hole, soft=0.003)
            teeth = np.array([0.88, 0.85, 0.80]) * rng.uniform(0.7, 1.0)
            self.over(teeth, inside(page.fill(mouth.teeth), hole), soft=0.003)
        self.line(mouth.line, 0.03, self.dark, 0.7)
        beard = page.blur(page.fill(*self.sketch.features.beard), 0.012)
        stubble = 0.85 * beard * np.clip(0.75 + 0.25 * self.grain, 0, 1)
        lay(self.picture, self.hair_colour * 0.9, np.clip(stubble, 0, 1))

    def glasses_and_rings(self) -> None:
        """Glasses, a third of them dark, and earrings."""
        page, rng, f = self.page, self.rng, self.sketch.features
        if f.lenses:
            if rng.uniform() < 0.35:
                self.over((0.06, 0.06, 0.07), page.fill(*f.lenses), strength=0.9)
            colour, width = any_colour(rng, 0.6) * 0.4, rng.uniform(0.03, 0.07)
            for curve in (*(np.vstack([lens, lens[:1]]) for lens in f.lenses), *f.frame):
                self.line(curve, width, colour, 0.95, 0.0018)
        self.over((0.85, 0.75, 0.50), page.fill(*f.earrings))

"""`flat`: a poster cut from coloured paper; no outlines, one hard shadow, few saturated colours."""

import numpy as np
from numpy.typing import NDArray

from fewshot.samples.curves import ellipse
from fewshot.samples.face import FacePlan
from fewshot.samples.raster import Colour, Mask, Page, Picture, inside, lay, rgb
from fewshot.samples.sketch import Proportions, Sketch, lay_out

PROPORTIONS = Proportions(
    scale=0.278, centre_y=0.515, eye_width=0.92, eye_height=0.95, iris=0.95, jaw=0.25, neck=1.1, pose=0.85
)
SKIN = (
    ("ffd9b8", "f4a988"),
    ("f9bf92", "e58f68"),
    ("e39a63", "bd6a45"),
    ("b56a41", "8a442f"),
    ("7d452f", "572a24"),
)
HAIR = (
    ("16213e", "2c3f78"),
    ("3a1f2b", "6e3044"),
    ("8a2b1d", "c9472b"),
    ("ef6c2e", "ff9a4d"),
    ("f4b41f", "ffd75e"),
    ("0f6b70", "17989a"),
)
CLOTH = (
    ("e4352b", "b01f2a"),
    ("1d3a8a", "132660"),
    ("f7b918", "d98f0d"),
    ("0b8f83", "07655f"),
    ("f6efe1", "d3c8b8"),
)
BACK = (
    ("12a5a0", "0b8d8b"),
    ("f9c22e", "f2a71b"),
    ("f2674f", "e24d3d"),
    ("2f4bb8", "243b98"),
    ("f5a9b8", "ee8ca2"),
)
BROW = tuple(rgb(c) for c in ("16162e", "2a151f", "5e1c14", "8f3a14", "8a5a10", "16162e"))
INK, WHITE, LIP, MOUTH = rgb("16162e"), rgb("fffaf0"), rgb("d8323f"), rgb("7a1630")


def draw(plan: FacePlan, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 RGB picture; `rng` is unused, this hand has no texture."""
    page = Page(size)
    sketch = lay_out(plan, PROPORTIONS)
    picture = np.empty((page.side, page.side, 3), np.float32)
    _background(page, picture, plan)
    skin, shade = (rgb(c) for c in SKIN[plan.skin_tone])
    hair, gloss = (rgb(c) for c in HAIR[_hair_index(plan)])
    lay(picture, hair, page.fill(*sketch.back_hair))
    _body(page, picture, plan, sketch, skin, shade)
    for ear in sketch.ears:
        lay(picture, shade, page.fill(ear))
    lay(picture, LIP if plan.cloth_tone else WHITE, page.fill(*sketch.features.earrings))
    face = page.fill(sketch.face)
    front = page.fill(*sketch.front_hair)
    lay(picture, skin, face)
    lay(picture, shade, inside(page.fill(sketch.face_shadow), face))
    drop = round(0.07 * sketch.unit * page.side)
    lay(picture, shade, inside(np.roll(front, drop, axis=0), face))
    _face(page, picture, plan, sketch, face, hair, shade)
    lay(picture, hair, front)
    lay(picture, gloss, _gloss(page, sketch, plan, front))
    return page.shrink(picture)


def _hair_index(plan: FacePlan) -> int:
    """Hair that would vanish on a ground of its own colour takes another."""
    return {(5, 0): 1, (3, 2): 0, (4, 1): 2}.get((plan.hair_tone, plan.back_tone), plan.hair_tone)


def _background(page: Page, picture: Picture, plan: FacePlan) -> None:
    ground, second = (rgb(c) for c in BACK[plan.back_tone])
    picture[:] = ground
    x, y = page.grid()
    if plan.background == "disc":
        lay(picture, second, page.fill(ellipse([0.5 + 0.12 * plan.light, 0.4], 0.36, 0.36, 120)))
    elif plan.background == "halves":
        lay(picture, second, (x * plan.light > 0.5 * plan.light).astype(np.float32))
    elif plan.background == "bands":
        lay(picture, second, ((x + y * plan.light) * 5 % 1 > 0.5).astype(np.float32))


def _body(page: Page, picture: Picture, plan: FacePlan, sketch: Sketch, skin: Colour, shade: Colour) -> None:
    cloth, cloth_shade = (rgb(c) for c in CLOTH[(plan.cloth_tone + (plan.cloth_tone == plan.back_tone)) % 5])
    neck = page.fill(sketch.neck)
    lay(picture, skin, neck)
    lay(picture, shade, inside(page.fill(sketch.neck_shadow), neck))
    torso = page.fill(sketch.torso)
    lay(picture, cloth, torso)
    x, _ = page.grid()
    lay(
        picture,
        cloth_shade,
        inside((x * -plan.light > -(0.5 + 0.16 * -plan.light) * plan.light).astype(np.float32), torso),
    )
    lay(picture, cloth_shade if plan.clothes != "collar" else WHITE, page.fill(*sketch.cloth_parts))


def _face(
    page: Page, picture: Picture, plan: FacePlan, sketch: Sketch, face: Mask, hair: Colour, shade: Colour
) -> None:
    f, u = sketch.features, sketch.unit
    dark = plan.skin_tone >= 3
    blush = rgb("c8553d") if dark else rgb("f58a7a")
    lay(picture, blush, 0.8 * inside(page.fill(*sketch.cheeks), face))
    lay(picture, shade if not dark else rgb("3d1c1c"), inside(page.fill(f.nose_shadow), face))
    beard = INK if plan.hair_tone == 5 else hair
    lay(picture, beard, page.fill(*f.beard))
    lay(
        picture,
        rgb("a8323c") if dark else LIP,
        page.fill(f.mouth.upper_lip, f.mouth.lower_lip) * (plan.lips > 0.25 or dark),
    )
    if f.mouth.hole is not None and f.mouth.teeth is not None:
        hole = page.fill(f.mouth.hole)
        lay(picture, MOUTH, hole)
        lay(picture, WHITE, inside(page.fill(f.mouth.teeth), hole))
    else:
        lay(picture, MOUTH, page.stroke(f.mouth.line, width=0.05 * u, taper=(0.3, 0.3)))
    for eye in f.eyes:
        if not eye.closed:
            opening = page.fill(eye.outline)
            lay(picture, WHITE, opening)
            lay(picture, INK, inside(page.fill(eye.iris), opening))
            lay(picture, WHITE, inside(page.fill(eye.glint), opening))
        lay(picture, INK, page.stroke(eye.upper, width=0.075 * u, taper=(0.35, 0.8)))
    lay(
        picture,
        BROW[_hair_index(plan)],
        page.stroke(*f.brows, width=0.1 * u * plan.brow_weight, taper=(0.9, 0.25)),
    )
    lay(picture, rgb("b5533c"), page.fill(*f.freckles))
    lay(picture, WHITE, 0.12 * page.fill(*f.lenses))
    rims = [np.vstack([lens, lens[:1]]) for lens in f.lenses]
    lay(picture, INK, page.stroke(*rims, *f.frame, width=0.055 * u))


def _gloss(page: Page, sketch: Sketch, plan: FacePlan, front: Mask) -> Mask:
    """One curved streak of light on the crown and a few locks drawn in it."""
    top, u = sketch.face.mean(0) + np.array([0.0, 0.1]) * sketch.unit, sketch.unit
    angle = np.linspace(-0.5, -0.5 + 0.34 * plan.light, 20) * np.pi
    arc = top + np.stack([0.96 * u * np.cos(angle), 1.16 * u * np.sin(angle)], 1)
    streak = page.stroke(arc, width=0.085 * u, taper=(0.0, 0.0), swell=0.5)
    locks = page.stroke(*sketch.strands[2::5], *sketch.back_strands[::2], width=0.035 * u, taper=(0, 0))
    return inside(np.maximum(streak, locks), front)

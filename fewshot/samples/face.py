"""Who is drawn: the seeded description of one face, shared by every hand.

A `FacePlan` says nothing about line or colour. Each hand reads the same plan with its own proportions and
palette, so picture 007 shows the same person in all hands and only the style differs.
"""

from dataclasses import dataclass

import numpy as np

HAIR_BACKS = ("short", "short", "bob", "long", "long", "bun", "tail", "curly", "twin", "buzz")
FRINGES = ("bangs", "swept", "centre", "spiky", "back")
CLOTHES = ("crew", "vee", "turtle", "collar", "hood")
BACKGROUNDS = ("plain", "disc", "halves", "bands")


@dataclass(frozen=True)
class FacePlan:
    """Identity, pose and expression of one drawn person; lengths are in half head widths."""

    turn: float
    """Head turned left to right, -1 to 1; 1 is about 17 degrees."""
    nod: float
    """Head bent up to down, -1 to 1."""
    tilt: float
    """Head leaned to the side, in degrees."""
    build: float
    """0 slender to 1 heavy; steers jaw, neck, shoulders, brows and whether a beard can grow."""
    jaw: float
    """Jaw width, -1 narrow to 1 wide."""
    length: float
    """Chin length, -1 short to 1 long."""
    eye_size: float
    """Eye size factor around 1."""
    eye_open: float
    """Lid opening, 0.7 drowsy to 1.1 wide."""
    eye_slant: float
    """Outer corner of the eye, -1 falling to 1 rising."""
    eyes_closed: bool
    """Closed, smiling eyes."""
    gaze: tuple[float, float]
    """Where the eyes look, -1 to 1 right and down."""
    brow_lift: float
    """Brow height, -1 low to 1 high."""
    brow_angle: float
    """Inner end of the brow, -1 raised (worried) to 1 lowered (stern)."""
    brow_weight: float
    """Brow thickness factor around 1."""
    nose: float
    """Nose size factor around 1."""
    mouth: float
    """Mouth width factor around 1."""
    smile: float
    """Mouth corners, -1 down to 1 up."""
    mouth_open: float
    """Mouth opening, 0 closed to 1 laughing."""
    lips: float
    """Fullness of the lips, 0 to 1."""
    hair_back: str
    """Shape behind the head, one of `HAIR_BACKS`."""
    fringe: str
    """Shape over the forehead, one of `FRINGES`."""
    hair_volume: float
    """Height of the hair above the skull, 0 to 1."""
    parting: float
    """Where the hair parts, -0.6 to 0.6."""
    locks: float
    """Length of the strands before the ears; 0 for none."""
    hair_tone: int
    """Index into a hand's hair colours, 0 (darkest) to 5."""
    skin_tone: int
    """Index into a hand's skin colours, 0 (lightest) to 4."""
    cloth_tone: int
    """Index into a hand's clothing colours, 0 to 4."""
    back_tone: int
    """Index into a hand's background colours, 0 to 4."""
    clothes: str
    """Neckline, one of `CLOTHES`."""
    background: str
    """Background figure, one of `BACKGROUNDS`."""
    glasses: str
    """`none`, `round` or `square`."""
    beard: str
    """`none`, `full`, `goatee` or `moustache`."""
    freckles: bool
    """A few dots over nose and cheeks."""
    earrings: bool
    """Small round earrings."""
    light: int
    """Side the light comes from, -1 left or 1 right."""
    detail_seed: int
    """Seed of the small irregularities that every hand draws alike (tufts, waves)."""

    @classmethod
    def random(cls, rng: np.random.Generator) -> "FacePlan":
        """Draw one plausible person; equal generator states give equal plans."""
        build = float(rng.uniform())
        hair_back = str(rng.choice(HAIR_BACKS[:2] * 3 + HAIR_BACKS if build > 0.6 else HAIR_BACKS[:9]))
        fringe = str(rng.choice(FRINGES))
        if hair_back in ("buzz", "curly"):
            fringe = "back" if hair_back == "buzz" else str(rng.choice(("back", "bangs")))
        bearded = build > 0.62 and hair_back in ("short", "buzz", "curly", "bun") and rng.uniform() < 0.6
        has_locks = hair_back in ("bob", "long", "twin", "tail", "bun") and rng.uniform() < 0.75
        laughing = rng.uniform() < 0.3
        smile = float(rng.uniform(0.4, 1.0) if laughing else rng.uniform(-0.55, 0.9))
        return cls(
            turn=float(rng.uniform(-1, 1)),
            nod=float(rng.uniform(-1, 1)),
            tilt=float(rng.uniform(-9, 9)),
            build=build,
            jaw=float(np.clip(rng.normal(1.4 * (build - 0.5), 0.4), -1, 1)),
            length=float(rng.uniform(-1, 1)),
            eye_size=float(rng.uniform(0.88, 1.12)),
            eye_open=float(rng.uniform(0.72, 1.08)),
            eye_slant=float(rng.uniform(-0.8, 1)),
            eyes_closed=bool(smile > 0.3 and rng.uniform() < 0.2),
            gaze=(float(rng.uniform(-1, 1)), float(rng.uniform(-0.5, 0.6))),
            brow_lift=float(rng.uniform(-1, 1)),
            brow_angle=float(rng.uniform(-1, 1) - 0.3 * smile),
            brow_weight=float(0.7 + 0.7 * build + rng.uniform(-0.15, 0.15)),
            nose=float(0.85 + 0.3 * build + rng.uniform(-0.1, 0.1)),
            mouth=float(rng.uniform(0.85, 1.2)),
            smile=smile,
            mouth_open=float(rng.uniform(0.5, 1.0)) if laughing else 0.0,
            lips=float(np.clip(rng.uniform(0.2, 1.0) - 0.4 * build, 0, 1)),
            hair_back=hair_back,
            fringe=fringe,
            hair_volume=float(rng.uniform(0.15, 1)),
            parting=float(rng.uniform(0.2, 0.55) * rng.choice((-1, 1))),
            locks=float(rng.uniform(0.55, 1.25)) if has_locks else 0.0,
            hair_tone=int(rng.integers(6)),
            skin_tone=int(rng.integers(5)),
            cloth_tone=int(rng.integers(5)),
            back_tone=int(rng.integers(5)),
            clothes=str(rng.choice(CLOTHES)),
            background=str(rng.choice(BACKGROUNDS)),
            glasses=str(rng.choice(("none", "none", "none", "none", "none", "round", "square"))),
            beard=str(rng.choice(("full", "full", "goatee", "moustache"))) if bearded else "none",
            freckles=bool(rng.uniform() < 0.2),
            earrings=bool(build < 0.6 and rng.uniform() < 0.4),
            light=int(rng.choice((-1, 1))),
            detail_seed=int(rng.integers(2**31)),
        )

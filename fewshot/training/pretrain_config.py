"""Settings of base training. Loads without torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, isfinite

from fewshot.errors import UsageError

AUGMENTATIONS = ("brightness", "flip", "shift", "cutout")
"""What `data.augment.differentiable` can do."""


_RANGES = (
    ("ema", 0, 1),
    ("beta1", 0, 1),
    ("jitter", 0, 1),
    ("margin", 1, 2),
    ("tilt", 0, 1.001),
    ("hard", 0, 1.001),
)
"""Least value and bound of the settings that have both."""


@dataclass(frozen=True)
class PretrainConfig:
    """How a base is trained; every field has the field's usual name and its default's reason."""

    arch: str = "scan_128"
    """Registered architecture."""
    batch: int = 4
    """Photo/drawing pairs per step, over all processes; CycleGAN uses 1, 4 fill two cores."""
    lr: float = 2e-4
    """Adam learning rate (paper), constant for the first half of a stage, then falling to zero."""
    beta1: float = 0.5
    """Adam's first moment (paper)."""
    lambda_cycle: float = 10.0
    """Weight of both cycle terms (paper)."""
    lambda_identity: float = 0.0
    """Weight of netG_A(drawing) = drawing, relative to 1; costs two more passes."""
    lambda_content: float = 1.0
    """Weight of the perceptual content term: layout of the result against that of its photo."""
    lambda_feature: float = 1.0
    """Weight of the discriminator on frozen perceptual features; it learns eyes and hair before PatchGAN."""
    lambda_colour: float = 2.0
    """Weight of the result's coarse colours against those of its photo: hair and skin keep their family; 1
    loses skin tones, 4 costs KID (base_models/README.md)."""
    lambda_penalty: float = 0.0
    """Weight of the gradient penalty (paper: WGAN-GP's); doubles a discriminator's cost, so off on a CPU."""
    pool: int = 50
    """Image pool size (paper)."""
    ema: float = 0.998
    """Decay of the averaged weights that are shipped and shown."""
    augment: tuple[str, ...] = ()
    """Differentiable augmentation of what the pixel discriminators see."""
    jitter: float = 0.08
    """Contrast, brightness and colour jitter of the photos."""
    tilt: float = 0.5
    """Fraction of the pictures of both sides that are rolled, zoomed and shifted a little."""
    hard: float = 0.06
    """Chance of each of `data.hardships` (side light, cast, occluder…) for a photo that netG_A is shown."""
    start: str = ""
    """Base to start from instead of random weights: its stages are copied as far as the two agree."""
    warmup: int = 0
    """First steps of a stage, in which the generators' rate rises from zero: with `start`, new discriminators
    get time to learn before they pull a trained generator about."""
    margin: float = 1.125
    """Pictures are kept this much larger than the stage, for random windows."""
    seed: int = 0
    """Weights, order of pictures and augmentation."""
    steps: tuple[int, ...] = ()
    """Steps of each stage; empty: the stages share the minutes."""
    share: tuple[float, ...] = ()
    """Fraction of the minutes for each stage, 0 for one that stays as `start` has it; empty: equal."""
    minutes: float = 0.0
    """Minutes of training over all calls that resume this run; 0 without a limit (then `steps` is needed)."""
    save_every: float = 2.0
    """Minutes between saved states."""
    preview_every: float = 2.0
    """Minutes between preview grids."""

    def validate(self, stages: int) -> None:
        """Raise UsageError naming every field that does not fit an architecture with this many stages."""
        problems = []
        if not self.steps and not self.minutes > 0:
            problems.append("neither steps nor minutes say when to stop")
        if not isfinite(self.minutes):
            problems.append(f"minutes is {self.minutes}")
        for name in ("steps", "share"):
            if getattr(self, name) and len(getattr(self, name)) != stages:
                problems.append(
                    f"{name} has {len(getattr(self, name))} numbers, {self.arch} has {stages} stages"
                )
            # A stage of no steps or minutes stays as `start` has it.
            least = 0 if self.start else 1e-300
            if any(not number >= least for number in getattr(self, name)):
                problems.append(f"{name} holds a number not above 0 (0 is for stages of --start)")
        if self.start and self.share and not any(self.share):
            problems.append("share gives no stage any of the minutes")
        for name in ("batch", "lr", "save_every", "preview_every"):
            if not getattr(self, name) > 0:
                problems.append(f"{name} is {getattr(self, name)}, expected more than 0")
        for name in (f.name for f in fields(self) if f.name.startswith("lambda_")):
            if not 0 <= getattr(self, name) < inf:
                problems.append(f"{name} is {getattr(self, name)}, expected 0 or more")
        for name, low, high in _RANGES:
            if not low <= getattr(self, name) < high:
                problems.append(
                    f"{name} is {getattr(self, name)}, expected {low} or more and less than {high}"
                )
        for name in ("pool", "warmup"):
            if getattr(self, name) < 0:
                problems.append(f"{name} is {getattr(self, name)}, expected 0 or more")
        unknown = [name for name in self.augment if name not in AUGMENTATIONS]
        if unknown:
            problems.append(f"augment {', '.join(unknown)} is unknown, expected {', '.join(AUGMENTATIONS)}")
        if problems:
            raise UsageError("; ".join(problems), "see `fewshot base train --help`")

    def stage_minutes(self, stages: int) -> list[float]:
        """Minutes of each stage; infinite where only steps count."""
        if self.minutes <= 0:
            return [inf] * stages
        share = self.share or (1.0,) * stages
        return [self.minutes * part / sum(share) for part in share]

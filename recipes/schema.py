"""The recipe: every knob of an adaptation, with its range, its unit and why it is there."""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Method = Literal["lora", "rslora", "lokr", "loha", "boft", "norm-only", "full"]
Augmentation = Literal["shift", "brightness", "cutout", "flip"]
Coloured = Literal["hair", "skin"]
Rate = Annotated[float, Field(gt=0, le=0.1)]
Weight = Annotated[float, Field(ge=0, le=1000)]


class Recipe(BaseModel):
    """How one artist's adapter is trained: frozen, unknown fields refused, defaults a known-good run.

    Construct it through `recipes.validation.validate`, which names every mistake at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str = Field(
        min_length=1, max_length=80, description="What the recipe is called; a label, not hashed."
    )
    summary: str = Field("", max_length=200, description="One line on when to use it, shown by `recipes ls`.")

    crop: Literal["face", "center"] = Field(
        "face",
        description="How a drawing becomes a square: cut about the face, as large as in a selfie, or the "
        "middle. A bust's thin lines, small features and wide ground would else be put on faces that fill "
        "the picture.",
    )

    method: Method = Field(
        "lora",
        description="What is trained on every convolution: lora (low-rank updates), rslora (the same, whose "
        "strength falls more slowly with rank), lokr (Kronecker products: the smallest file), loha (products "
        "of two low-rank matrices) or boft (kernels are turned: slower steps). Controls: norm-only (the norm "
        "affines alone: colour and contrast) and full (all weights: what a small adapter gives up).",
    )
    rank: int = Field(
        8,
        ge=1,
        le=128,
        description="Rank of the updates: file size and capacity grow with it. loha has two products of that "
        "rank, so half of it makes as large a file. lokr has its larger factor whole from half that factor's "
        "side on, so above 8 little changes. In boft it is the side of the turned blocks. norm-only and full "
        "have none.",
    )
    alpha: float = Field(
        8.0,
        gt=0,
        le=1024,
        description="Strength of the updates: lora, lokr and loha multiply them by alpha / rank, so keep it "
        "at rank; rslora by alpha / sqrt(rank). boft, norm-only and full have none.",
    )
    train_norms: bool = Field(
        True, description="Also train the InstanceNorm affines: they carry most of contrast and palette."
    )

    steps: int = Field(
        300, ge=1, le=200_000, description="Generator updates at most; early stopping may end sooner."
    )
    batch: int = Field(
        8, ge=1, le=64, description="Pictures per step, over all processes; its time grows with it."
    )
    lr: Rate = Field(
        1e-3,
        description="Adam rate of the adapter; high, since few weights move and steps are few. Maps of "
        "what part of a face is where, which begin at zero, have five times as much.",
    )
    lr_d: Rate = Field(2e-4, description="Adam rate of the discriminator, the usual one for patch GANs.")
    warmup_steps: int = Field(
        10,
        ge=0,
        le=10_000,
        description="Steps over which lr rises, while the new discriminator knows nothing.",
    )
    cooldown: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the steps, at the end, over which both rates fall to nothing: the contest of "
        "the two networks settles.",
    )

    lambda_gan: Weight = Field(1.0, description="Weight of the adversarial loss: strokes and texture.")
    lambda_feature: Weight = Field(
        0.0, description="Weight of a second discriminator, on frozen features: strokes before pixels."
    )
    lambda_style: Weight = Field(
        1.0, description="Weight of the feature mean and deviation loss: palette, weight."
    )
    lambda_outlier: Weight = Field(
        0.0,
        description="Weight of how far each result's own feature statistics are from what the drawings vary "
        "in; lambda_style looks at the batch's average alone.",
    )
    lambda_swd: Weight = Field(
        0.0,
        description="Weight of the sliced Wasserstein distance between features of results and drawings: "
        "what values there are, not only their mean; flat areas and lines.",
    )
    swd_target: Literal["all", "matched"] = Field(
        "all",
        description="What lambda_swd compares a result with: all drawings at once, or one that is most like "
        "the photo in colour (each equally often but for own_colours; by_parts: one for each part of a face, "
        "of those that show it): flat areas of that drawing's own colours in place of a mixture.",
    )
    by_parts: bool = Field(
        False,
        description="Whether lambda_swd compares hair with hair, skin with skin and ground with ground, and "
        "the patch discriminator sees where they are; a small shipped network finds them in portraits.",
    )
    own_colours: tuple[Coloured, ...] = Field(
        ("hair",),
        max_length=2,
        description="Parts whose colour the photo decides (with swd_target=matched and by_parts): dark hair "
        "is matched with dark hair, a drawing up to four times its share, where drawings differ in hue. Of "
        "other parts only the order counts, and all drawings stand equally often: the artist's shares.",
    )
    lambda_even: Weight = Field(
        0.0,
        description="Weight of how even the colour of each part is: differences between random places of one "
        "part, and in hue from what is around a place, as in the drawing: flat paint without seams. Then "
        "content and tone count a tenth around the face. Needs swd_target=matched and by_parts.",
    )
    lambda_flat: Weight = Field(
        0.0, description="Weight of colours that no place of that part has; needs what lambda_even needs."
    )
    lambda_content: Weight = Field(
        2.0, description="Weight of the feature cosine to `content_from`: the same person."
    )
    content_from: Literal["photo", "base"] = Field(
        "photo",
        description="What contours and tone are compared with: the photo, or what the base alone draws, so "
        "that its drawn faces do not turn back into photos; one more pass of the generator.",
    )
    lambda_tone: Weight = Field(
        0.0,
        description="Weight of one minus the correlation of coarse lightness with `content_from`: dark hair "
        "stays the darker part.",
    )
    lambda_cycle: Weight = Field(0.0, description="Weight of L1 back to the photo through the frozen netG_B.")
    lambda_pair: Weight = Field(0.0, description="Weight of L1 on pseudo-pairs, netG_B(drawing) to drawing.")
    lambda_identity: Weight = Field(
        0.0, description="Weight of L1 from a drawing to itself: keeps colours calm."
    )
    lambda_tv: Weight = Field(0.0, description="Weight of total variation: smooths blotchy flat backgrounds.")
    grey: bool = Field(
        False,
        description="The drawings count as grey pictures and results have to be grey: for pencil and ink, "
        "where the tint of paper and scan is no part of the hand.",
    )

    gan_mode: Literal["lsgan"] = Field(
        "lsgan", description="Adversarial loss; least squares saturates least."
    )
    d_channels: int = Field(
        32,
        ge=4,
        le=128,
        description="First-layer width of the patch discriminator; a wide one memorises few drawings.",
    )
    d_start: Literal["scratch", "base"] = Field(
        "scratch",
        description="Where the discriminator starts: random, or the base's own with its low layers frozen.",
    )
    augment: tuple[Augmentation, ...] = Field(
        ("shift", "brightness"),
        max_length=4,
        description="Differentiable augmentations before the patch discriminator, so that it cannot memorise "
        "the drawings; they are shown mirrored in half of the steps, whatever is said here.",
    )

    ema: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="Decay per step of the averaged weights that are saved; 0 saves the raw ones.",
    )
    eval_every: int = Field(25, ge=1, le=10_000, description="Steps between scores on the validation fold.")
    patience: int = Field(
        6, ge=0, le=1000, description="Scores without improvement before stopping; 0 never stops early."
    )
    validation_fraction: float = Field(
        0.2,
        gt=0,
        le=0.5,
        description="Share of the drawings kept for scoring, never trained on (none below five).",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of weights, order and augmentation.")
    max_minutes: float = Field(
        15.0, gt=0, le=10_080, description="Wall-clock minutes at most; the best checkpoint so far is kept."
    )

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        broken = [rule.message for rule in RULES if not rule.holds(self)]
        if broken:
            raise ValueError("; ".join(broken))
        return self


class Rule:
    """A condition over several fields, checked even when other fields are wrong."""

    def __init__(self, fields: tuple[str, ...], holds: Callable[[Recipe], bool], message: str) -> None:
        self.fields = fields
        self.holds = holds
        self.message = message


def _each_once(field: str, what: str) -> Rule:
    """A list whose names differ."""
    message = f"{field} names one {what} twice"
    return Rule((field,), lambda r: len(set(getattr(r, field))) == len(getattr(r, field)), message)


_LOSSES = tuple(name for name in Recipe.model_fields if name.startswith("lambda_"))

RULES = (
    Rule(
        ("method", "train_norms"),
        lambda r: r.method != "norm-only" or r.train_norms,
        "method norm-only trains nothing unless train_norms is true",
    ),
    Rule(
        ("method", "train_norms"),
        lambda r: r.method != "full" or r.train_norms,
        "method full trains the norms too: leave train_norms true",
    ),
    Rule(
        ("method", "rank"),
        lambda r: r.method != "boft" or r.rank > 1,
        "method boft turns blocks of rank x rank numbers: set rank to 2 or more, such as 8",
    ),
    Rule(
        _LOSSES,
        lambda r: any(
            getattr(r, name) > 0
            for name in ("lambda_gan", "lambda_feature", "lambda_style", "lambda_swd", "lambda_pair")
        ),
        "no loss pulls towards the drawings: "
        "set lambda_gan, lambda_feature, lambda_style, lambda_swd or lambda_pair above 0",
    ),
    _each_once("augment", "augmentation"),
    _each_once("own_colours", "part"),
)

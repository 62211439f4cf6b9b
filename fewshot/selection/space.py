"""What is searched: recipes as they are written, and a few of their knobs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from fewshot.errors import UsageError
from recipes import Recipe, RecipeError, apply_overrides, list_recipes, load_recipe
from recipes.overrides import parse_value
from recipes.validation import expected, refusal, suggest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

ARTISTS = ("quick", "balanced", "faithful", "bold", "lineart")
"""Shipped recipes that are tried unless others are named: those meant for artists, not for comparisons."""
FEW = ("quick", "single")
"""Those for fewer than five drawings."""
RECIPE = "recipe"
"""Name of the parameter that says which recipe."""

_FIXED = ("name", "summary", "crop", "seed", "validation_fraction", "eval_every", "max_minutes", "augment")
"""Fields that are no knobs: labels, and what decides how a trial is scored rather than how it is trained."""
_LOG = 10.0
"""Ranges whose ends are so many times apart are searched by orders of magnitude."""

Value = bool | int | float | str


@dataclass(frozen=True)
class Knob:
    """A field of the recipe that the study varies."""

    name: str
    """The field."""
    kind: Literal["float", "int", "choice"]
    """A range of numbers, a range of whole numbers, or single values."""
    low: float = 0.0
    """Lower end of a range."""
    high: float = 0.0
    """Upper end of a range, included."""
    choices: tuple[Value, ...] = ()
    """The values of a choice."""

    @property
    def log(self) -> bool:
        """Whether the range is searched by orders of magnitude."""
        return self.low > 0 and self.high >= _LOG * self.low

    def distribution(self) -> BaseDistribution:
        """The same in Optuna's words."""
        from optuna import distributions as d

        if self.kind == "choice":
            return d.CategoricalDistribution(self.choices)
        if self.kind == "int":
            return d.IntDistribution(int(self.low), int(self.high), log=self.log)
        return d.FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Space:
    """Everything a trial may be."""

    recipes: dict[str, Recipe]
    """By the name they were asked for."""
    knobs: tuple[Knob, ...] = ()
    """What is varied in each."""

    def recipe(self, params: Mapping[str, Any]) -> Recipe:
        """The recipe of a trial; `alpha` follows a varied `rank`, so that the strength of the updates stays.

        Raises:
            RecipeError: values that do not fit together in this recipe.
        """
        base = self.recipes[params[RECIPE]]
        chosen: dict[str, Any] = {knob.name: params[knob.name] for knob in self.knobs if knob.name in params}
        if "rank" in chosen and "alpha" not in chosen:
            power = 0.5 if base.method == "rslora" else 1.0
            chosen["alpha"] = base.alpha * (chosen["rank"] / base.rank) ** power
        return apply_overrides(base, [f"{name}={_written(value)}" for name, value in chosen.items()])

    def crop(self) -> Literal["face", "center"]:
        """How the drawings become squares: the same for all, since all are scored on the same folds.

        Raises:
            UsageError: recipes that differ in it.
        """
        crops = {recipe.crop: name for name, recipe in self.recipes.items()}
        if len(crops) > 1:
            raise UsageError(
                f"{crops['face']} cuts drawings about the face and {crops['center']} takes their middle; "
                "expected one for all, since all are scored on the same drawings",
                "add crop=face, or crop=center",
            )
        return next(iter(crops))

    def label(self, params: Mapping[str, Any]) -> str:
        """The recipe's name and the knobs of a trial, such as `bold lr=0.0005`."""
        knobs = [f"{k.name}={_written(params[k.name], 3)}" for k in self.knobs if k.name in params]
        return " ".join([params[RECIPE], *knobs])

    def written(self) -> list[dict[str, Any]]:
        """Parameters of each recipe as it is written."""
        return [{RECIPE: name} for name in self.recipes]

    def grid(self) -> list[dict[str, Any]]:
        """Every recipe with every combination of the knobs' values, after the recipes as they are written.

        Raises:
            UsageError: a knob is a range, which has no end of values.
        """
        ranges = [knob.name for knob in self.knobs if knob.kind != "choice"]
        if ranges:
            raise UsageError(
                f"--exhaustive with a range for {', '.join(ranges)}",
                f"name the values, such as --knob {ranges[0]}=A,B,C",
            )
        if not self.knobs:
            return self.written()
        values = itertools.product(*(knob.choices for knob in self.knobs))
        combined = [dict(zip((k.name for k in self.knobs), row, strict=True)) for row in values]
        return self.written() + [{RECIPE: name, **row} for name in self.recipes for row in combined]

    def distributions(self) -> dict[str, BaseDistribution]:
        """Recipe and knobs for a sampler."""
        from optuna.distributions import CategoricalDistribution

        found: dict[str, BaseDistribution] = {RECIPE: CategoricalDistribution(tuple(self.recipes))}
        return found | {knob.name: knob.distribution() for knob in self.knobs}


def make_space(
    recipes: Sequence[str],
    knobs: Sequence[str],
    overrides: Sequence[str],
    *,
    few: bool,
    user_folder: Path | None = None,
) -> Space:
    """Read `--recipes`, `--knob` and `key=value`.

    Args:
        recipes: names or paths; empty takes those meant for artists.
        knobs: texts such as `lr=3e-4..3e-3`, `rank=4,8,16` or `content_from=photo,base`.
        overrides: applied to every recipe.
        few: whether there are fewer than five drawings.
        user_folder: where the user's own recipes stand.

    Raises:
        RecipeError: every mistake in knobs and overrides at once, each with what was expected.
        RecipeNotFoundError: a recipe that there is not.
        UsageError: a recipe named twice.
    """
    shipped = {file.name for file in list_recipes()}
    names = list(recipes) or [name for name in (FEW if few else ARTISTS) if name in shipped]
    labels = [Path(name).stem if name.endswith(".toml") else name for name in names]
    if doubled := sorted({label for label in labels if labels.count(label) > 1}):
        raise UsageError(f"{', '.join(doubled)}: named twice in --recipes", "name each recipe once")
    found = [apply_overrides(load_recipe(name, user_folder), overrides) for name in names]
    space = Space(dict(zip(labels, found, strict=True)), parse_knobs(knobs))
    _check_ends(space)
    return space


def parse_knobs(texts: Sequence[str]) -> tuple[Knob, ...]:
    """Knobs from their texts; raises RecipeError with every mistake at once."""
    knobs: dict[str, Knob] = {}
    mistakes: list[str] = []
    for text in texts:
        try:
            knob = _knob(text)
        except ValueError as error:
            mistakes.append(str(error))
            continue
        if knob.name in knobs:
            mistakes.append(f"{knob.name}: given twice, expected each knob once")
        knobs[knob.name] = knob
    if mistakes:
        raise refusal("--knob", mistakes)
    return tuple(knobs.values())


def _knob(text: str) -> Knob:
    name, sign, values = (part.strip() for part in text.partition("="))
    if not sign or not values:
        raise ValueError(f"{text!r}: expected FIELD=LOW..HIGH or FIELD=A,B,C, such as lr=3e-4..3e-3")
    if name not in Recipe.model_fields:
        raise ValueError(f"{name}: unknown field{suggest(name, Recipe.model_fields)}")
    if name in _FIXED:
        raise ValueError(f"{name}: no knob, since it does not change how good a recipe can be")
    kind = Recipe.model_fields[name].annotation
    if get_origin(kind) is tuple:
        raise ValueError(f"{name}: no knob, since its value is a list; write a recipe for each, in --recipes")
    if ".." not in values:
        return Knob(name, "choice", choices=tuple(dict.fromkeys(_each(name, values.split(",")))))
    if kind not in (int, float):
        words = expected(name)
        raise ValueError(f"{name}: found the range {values!r}, expected {words}; write values with commas")
    ends = _each(name, values.split(".."))
    if len(ends) != 2 or not float(ends[0]) < float(ends[1]):
        raise ValueError(f"{name}: found {values!r}, expected LOW..HIGH with LOW below HIGH")
    return Knob(name, "int" if kind is int else "float", float(ends[0]), float(ends[1]))


def _each(name: str, texts: Sequence[str]) -> list[Any]:
    """The values of single texts; raises ValueError for one that the field does not take."""
    values = []
    for text in texts:
        try:
            value = parse_value(name, text.strip())
        except ValueError:
            raise ValueError(f"{name}: found {text.strip()!r}, expected {expected(name)}") from None
        kind = Recipe.model_fields[name].annotation
        if get_origin(kind) is Literal and value not in get_args(kind):
            raise ValueError(f"{name}: found {value!r}, expected {expected(name)}")
        values.append(value)
    return values


def _check_ends(space: Space) -> None:
    """Every recipe must take both ends of every knob: a bad one is to be seen now, not in an hour."""
    mistakes: dict[str, None] = {}
    for label in space.recipes:
        for knob in space.knobs:
            ends = knob.choices if knob.kind == "choice" else (knob.low, knob.high)
            for value in ends:
                one = int(value) if knob.kind == "int" else value
                try:
                    space.recipe({RECIPE: label, knob.name: one})
                except RecipeError as error:
                    mistakes |= dict.fromkeys(f"{label}, {x.strip()}" for x in str(error).split("\n")[1:])
    if mistakes:
        raise refusal("--knob", list(mistakes))


def _written(value: Any, digits: int = 0) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.{digits}g}" if digits and isinstance(value, float) else str(value)

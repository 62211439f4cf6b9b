"""`key=value` on the command line: read by the type of the field, refused with a suggestion."""

from collections.abc import Sequence
from typing import Any, Literal, get_origin

from recipes.errors import RecipeError
from recipes.schema import Recipe
from recipes.validation import expected, refusal, suggest, validate

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}


def apply_overrides(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """Return `recipe` with each `key=value` applied; the last of two for the same key wins.

    Lists are written with commas (`augment=shift,cutout`), an empty value is the empty list.

    Raises:
        RecipeError: naming every override that is malformed, unknown, of the wrong type or out of range.
    """
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for text in overrides:
        key, sign, value = text.partition("=")
        key = key.strip()
        if not sign:
            mistakes.append(f"{text!r}: found no '=', expected key=value, such as steps=200")
        elif key not in Recipe.model_fields:
            mistakes.append(f"{key}: unknown field{suggest(key, Recipe.model_fields)}")
        else:
            try:
                values[key] = parse_value(key, value.strip())
            except ValueError:
                mistakes.append(f"{key}: found {value.strip()!r}, expected {expected(key)}")
    if not mistakes:
        return validate(recipe.model_dump() | values, "overrides")
    try:
        validate(recipe.model_dump() | values, "overrides")
    except RecipeError as error:
        mistakes.extend(line.strip() for line in str(error).split("\n")[1:])
    raise refusal("overrides", mistakes)


def parse_value(key: str, text: str) -> Any:
    """Return `text` as the type of the field `key`; raises ValueError when it is not of that type."""
    kind = Recipe.model_fields[key].annotation
    if kind is bool:
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError(text)
        return text.lower() in _TRUE
    if kind is int:
        return int(text)
    if kind is float:
        return float(text)
    if get_origin(kind) is tuple:
        return tuple(item.strip() for item in text.split(",") if item.strip())
    if get_origin(kind) is Literal or kind is str:
        return text
    raise TypeError(f"field {key} has the type {kind}, which no override can write")

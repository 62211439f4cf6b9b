"""Recipes as TOML text: reading with line numbers, writing, and the hash of what a recipe does."""

import hashlib
import json
import re
import textwrap
import tomllib
from typing import Any

from recipes.errors import RecipeError
from recipes.schema import Recipe
from recipes.validation import validate

WIDTH = 80
"""Columns at which comments wrap."""


def loads(text: str, source: str, name: str = "") -> Recipe:
    """Read a recipe.

    Args:
        text: flat TOML, one `field = value` per line.
        source: the file's name, for messages.
        name: the recipe's name where the text gives none.

    Raises:
        RecipeError: for text that is no TOML (with line and column) or no recipe (with every mistake).
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = "each line is `field = value`; text stands in quotes; lists in [ ]"
        raise RecipeError(f"{source}: not TOML: {error}", hint) from error
    if name:
        values.setdefault("name", name)
    return validate(values, source, _lines(text))


def _lines(text: str) -> dict[str, int]:
    """Return the line on which each key or table first stands."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.match(r"\s*\[*\s*[\"']?([\w-]+)[\"']?\s*(?:=|\]|\.)", line)
        if match:
            found.setdefault(match.group(1), number)
    return found


def dumps(recipe: Recipe) -> str:
    """Return the recipe as TOML, each field under a comment that explains it; `loads` reads it back equal."""
    blocks = []
    for name, field in Recipe.model_fields.items():
        comment = textwrap.wrap(field.description or "", WIDTH - 2)
        blocks.append(
            "\n".join([*(f"# {line}" for line in comment), f"{name} = {_literal(getattr(recipe, name))}"])
        )
    return "\n\n".join(blocks) + "\n"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON escapes what TOML wants escaped, except DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(item) for item in value)}]"
    raise TypeError(f"a recipe holds no {type(value).__name__}")


def recipe_hash(recipe: Recipe) -> str:
    """Return the sha256 (hex) of everything that changes the training; `name` and `summary` do not."""
    facts = recipe.model_dump(mode="json", exclude={"name", "summary"})
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

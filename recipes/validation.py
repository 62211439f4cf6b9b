"""From a mapping of values to a `Recipe`, or to one error that lists every mistake."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from recipes.errors import RecipeError
from recipes.schema import RULES, Recipe

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def validate(values: Mapping[str, Any], source: str, lines: Mapping[str, int] | None = None) -> Recipe:
    """Build a recipe from plain values.

    Args:
        values: field name to value; a list stands for a tuple, as TOML has no tuples.
        source: where the values come from, for the message: a file or `overrides`.
        lines: the line on which each field stands, where there are lines.

    Raises:
        RecipeError: naming every mistake, each with its line and field, what was found and what was expected.
    """
    prepared = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return Recipe.model_validate(prepared)
    except ValidationError as error:
        mistakes = list(_mistakes(error, prepared))
    where = {name: f"line {lines[name]}, {name}" for name in lines} if lines else {}
    mistakes.sort(key=lambda item: (lines or {}).get(item[0], 0))
    raise refusal(source, [f"{where.get(name, name)}: {text}" for name, text in mistakes])


def refusal(source: str, mistakes: Sequence[str]) -> RecipeError:
    """Return the error that lists `mistakes`, one per line, under `source` and their count."""
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    hint = "`fewshot recipes cat quick` shows every field and its meaning"
    return RecipeError("\n".join([f"{source}: {count}", *(f"  {text}" for text in mistakes)]), hint)


def _mistakes(error: ValidationError, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield field and text of each mistake, one per field, then of each rule whose fields are sound."""
    wrong: set[str] = set()
    for item in error.errors():
        if not item["loc"] or (name := str(item["loc"][0])) in wrong:
            continue
        wrong.add(name)
        if item["type"] == "extra_forbidden":
            yield name, f"unknown field{suggest(name, Recipe.model_fields)}"
        elif item["type"] == "missing":
            yield name, f"missing, expected {expected(name)}"
        else:
            yield name, f"found {shown(values[name])}, expected {expected(name)}{_meant(name, values[name])}"
    sound = {key: value for key, value in values.items() if key in Recipe.model_fields and key not in wrong}
    merged = Recipe.model_construct(**sound)
    for rule in RULES:
        if not wrong & set(rule.fields) and not rule.holds(merged):
            yield (
                " and ".join(field for field in rule.fields if field in sound) or rule.fields[0],
                rule.message,
            )


def _meant(name: str, value: Any) -> str:
    """Return the suggestion for a misspelt choice of the field `name`, if it has choices."""
    kind = Recipe.model_fields[name].annotation
    choices = get_args(get_args(kind)[0]) if get_origin(kind) is tuple else get_args(kind)
    wrong = [item for item in (value if isinstance(value, tuple) else (value,)) if item not in choices]
    return suggest(wrong[0], choices) if wrong and choices and isinstance(wrong[0], str) else ""


def shown(value: Any) -> str:
    """Return a found value as the file writes it, cut at 60 characters."""
    if isinstance(value, bool):
        text = str(value).lower()
    else:
        text = repr(list(value)) if isinstance(value, tuple) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def expected(name: str) -> str:
    """Return in words what the field `name` takes: its type and range, or its choices."""
    field = Recipe.model_fields[name]
    kind = field.annotation
    if get_origin(kind) is Literal:
        *most, last = (repr(choice) for choice in get_args(kind))
        return f"{', '.join(most)} or {last}" if most else last
    if get_origin(kind) is tuple:
        choices = ", ".join(repr(choice) for choice in get_args(get_args(kind)[0]))
        return f"a list out of {choices}, each once at most"
    if kind is bool:
        return "true or false"
    if kind is str:
        return "text" + _length(field.metadata)
    bounds = [
        f"{words} {_written(getattr(item, attribute))}"
        for item in field.metadata
        for attribute, words in _bounds(item)
    ]
    return " and ".join(["a whole number" if kind is int else "a number", *bounds]).replace(" and ", " ", 1)


def _bounds(item: Any) -> Iterator[tuple[str, str]]:
    return ((attribute, words) for attribute, words in _BOUNDS.items() if hasattr(item, attribute))


def _written(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


_LENGTHS = ("min_length", "max_length")


def _length(metadata: list[Any]) -> str:
    limits = {key: getattr(item, key) for item in metadata for key in _LENGTHS if hasattr(item, key)}
    least, most = (limits.get(key) for key in _LENGTHS)
    if most is None:
        return ""
    return f" of {f'{least} to' if least else 'at most'} {most} characters"


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the closest of `known`, or an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""

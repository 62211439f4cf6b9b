"""The recipe's fields, ranges and cross-checks, and that every mistake is named at once."""

from typing import Any

import pytest
from pydantic import ValidationError

from recipes import Recipe, RecipeError, validate
from recipes.validation import expected


def test_defaults_are_valid_and_frozen() -> None:
    recipe = Recipe(name="x")
    assert (recipe.method, recipe.rank, recipe.alpha, recipe.train_norms) == ("lora", 8, 8.0, True)
    with pytest.raises(ValidationError, match="frozen"):
        recipe.rank = 4  # type: ignore[misc]


def test_every_field_says_what_it_is_for() -> None:
    short = [name for name, field in Recipe.model_fields.items() if len(field.description or "") < 30]
    assert short == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "dora"),
        ("rank", 0),
        ("rank", 129),
        ("rank", 8.0),
        ("rank", True),
        ("alpha", 0),
        ("train_norms", 1),
        ("steps", 0),
        ("batch", 65),
        ("lr", 0.0),
        ("lr", 0.2),
        ("lr", "1e-3"),
        ("lambda_gan", -0.1),
        ("lambda_tv", float("nan")),
        ("lambda_style", float("inf")),
        ("gan_mode", "wgan"),
        ("d_start", "warm"),
        ("augment", ["spin"]),
        ("own_colours", ["eyes"]),
        ("augment", "shift"),
        ("ema", 1.0),
        ("validation_fraction", 0.6),
        ("seed", -1),
        ("max_minutes", 0),
        ("name", ""),
        ("summary", None),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(RecipeError) as caught:
        validate({"name": "x", field: value}, "file.toml", {field: 7})
    line = str(caught.value).splitlines()[1]
    assert line.startswith(f"  line 7, {field}: found ")
    assert f", expected {expected(field)}" in line
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "norm-only", "train_norms": False}, "norm-only trains nothing"),
        ({"method": "full", "train_norms": False}, "full trains the norms too"),
        ({"method": "boft", "rank": 1}, "set rank to 2 or more"),
        ({"lambda_gan": 0.0, "lambda_style": 0.0}, "no loss pulls towards the drawings"),
        ({"augment": ["flip", "flip"]}, "one augmentation twice"),
        ({"own_colours": ["hair", "hair"]}, "one part twice"),
    ],
)
def test_fields_that_do_not_agree_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        validate({"name": "x"} | values, "file.toml")
    prepared = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate({"name": "x"} | prepared)


def test_all_mistakes_come_at_once_and_in_the_order_of_the_file() -> None:
    values = {
        "name": "x",
        "lamda_gan": 1.0,
        "rank": 0,
        "lr": 5.0,
        "method": "norm-only",
        "train_norms": False,
    }
    lines = {"rank": 3, "lamda_gan": 1, "lr": 2}
    with pytest.raises(RecipeError) as caught:
        validate(values, "file.toml", lines)
    head, *mistakes = str(caught.value).splitlines()
    assert head == "file.toml: 4 mistakes"
    assert [line.split(":")[0].strip() for line in mistakes] == [
        "method and train_norms",
        "line 1, lamda_gan",
        "line 2, lr",
        "line 3, rank",
    ]
    assert "did you mean 'lambda_gan'?" in mistakes[1]


def test_a_rule_is_not_reported_when_its_field_is_wrong_anyway() -> None:
    with pytest.raises(RecipeError) as caught:
        validate({"name": "x", "steps": 0, "eval_every": 25}, "file.toml")
    assert str(caught.value).splitlines()[0] == "file.toml: 1 mistake"


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [("method", "lokrr", "'lokr'"), ("d_start", "Base", "'base'"), ("augment", ("shift", "cut"), "'cutout'")],
)
def test_a_misspelt_choice_is_suggested(field: str, value: Any, meant: str) -> None:
    with pytest.raises(RecipeError, match=f"; did you mean {meant}"):
        validate({"name": "x", field: value}, "file.toml")


def test_expected_puts_ranges_in_words() -> None:
    assert expected("rank") == "a whole number at least 1 and at most 128"
    assert expected("ema") == "a number at least 0 and below 1"
    assert expected("d_start") == "'scratch' or 'base'"
    assert expected("method").startswith("'lora', 'rslora', ")
    assert expected("method").endswith(" or 'full'")
    assert expected("gan_mode") == "'lsgan'"
    assert expected("train_norms") == "true or false"
    assert expected("summary") == "text of at most 200 characters"

"""Reading and writing recipes: any recipe survives, any text gives a recipe or a clear error."""

import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes import Recipe, RecipeError, dumps, loads, recipe_hash

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
weights = st.floats(0, 1000, allow_nan=False)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    steps = draw(st.integers(100, 200_000))
    return Recipe(
        name=draw(texts.filter(bool)),
        summary=draw(texts),
        rank=draw(st.integers(1, 128)),
        alpha=draw(st.floats(1e-6, 1024)),
        train_norms=draw(st.booleans()),
        steps=steps,
        lr=draw(st.floats(1e-12, 0.1)),
        lambda_gan=draw(st.floats(0.001, 1000)),
        lambda_tv=draw(weights),
        augment=tuple(draw(st.sets(st.sampled_from(["shift", "brightness", "cutout", "flip"])))),
        own_colours=tuple(draw(st.sets(st.sampled_from(["hair", "skin"])))),
        ema=draw(st.floats(0, 1, exclude_max=True)),
        eval_every=draw(st.integers(1, 100)),
        seed=draw(st.integers(0, 2**31 - 1)),
    )


@given(recipes())
@settings(max_examples=60, deadline=None)
def test_what_is_written_reads_back_equal(recipe: Recipe) -> None:
    text = dumps(recipe)
    assert loads(text, "test") == recipe
    assert recipe_hash(loads(text, "test")) == recipe_hash(recipe)


@given(st.text(max_size=120))
@settings(max_examples=60, deadline=None)
def test_any_text_gives_a_recipe_or_a_recipe_error(text: str) -> None:
    refused = None
    try:
        recipe = loads(text, "any.toml", name="any")
    except RecipeError as error:
        refused = error
    if refused is None:
        assert recipe == Recipe(**({"name": "any"} | tomllib.loads(text)))
    else:
        assert str(refused).startswith("any.toml")
        assert refused.hint


def test_written_recipes_explain_every_field() -> None:
    lines = dumps(Recipe(name="x")).splitlines()
    fields = [number for number, line in enumerate(lines) if re.match(r"\w+ = ", line)]
    assert len(fields) == len(Recipe.model_fields)
    assert all(lines[number - 1].startswith("# ") for number in fields)
    assert max(map(len, lines)) <= 80


def test_the_hash_follows_the_training_and_nothing_else() -> None:
    recipe = Recipe(name="a")
    assert recipe_hash(recipe) == recipe_hash(Recipe(name="b", summary="other words"))
    assert recipe_hash(recipe) != recipe_hash(Recipe(name="a", seed=1))
    assert re.fullmatch(r"[0-9a-f]{64}", recipe_hash(recipe))


def test_a_whole_number_serves_where_a_fraction_is_meant() -> None:
    assert recipe_hash(loads("lambda_gan = 1", "x", "x")) == recipe_hash(loads("lambda_gan = 1.0", "x", "x"))


def test_a_mistake_is_named_with_its_line() -> None:
    with pytest.raises(RecipeError, match=r"line 3, rank: found 0, expected a whole number at least 1"):
        loads("# header\n\nrank = 0\n", "file.toml", "file")


def test_a_table_is_refused_with_its_line() -> None:
    with pytest.raises(RecipeError, match="line 2, training: unknown field"):
        loads("steps = 50\n[training]\nrank = 4\n", "file.toml", "file")


def test_broken_toml_is_named_with_line_and_column() -> None:
    with pytest.raises(RecipeError, match=r"file.toml: not TOML: .*line 2, column") as caught:
        loads("steps = 50\nrank == 4\n", "file.toml", "file")
    assert "field = value" in caught.value.hint

"""Recipes and knobs: what is understood, and what is refused, all mistakes at once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.errors import UsageError
from fewshot.selection.space import ARTISTS, FEW, Knob, Space, make_space, parse_knobs
from recipes import RecipeError, RecipeNotFoundError, list_recipes, load_recipe


def space(*knobs: str, recipes: tuple[str, ...] = ("quick",), overrides: tuple[str, ...] = ()) -> Space:
    return make_space(recipes, knobs, overrides, few=False)


def test_knobs_are_ranges_and_choices() -> None:
    found = parse_knobs(["lr=3e-4..3e-3", "rank=4..6", "content_from=photo, base", "train_norms=yes,no"])
    assert found[0] == Knob("lr", "float", 3e-4, 3e-3)
    assert found[0].log
    assert (found[1].kind, found[1].log) == ("int", False)
    assert found[2].choices == ("photo", "base")
    assert found[3].choices == (True, False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lrr=1e-3..1e-2", "did you mean 'lr'"),
        ("lr", "LOW..HIGH"),
        ("lr=", "LOW..HIGH"),
        ("lr=3e-3..3e-4", "LOW below HIGH"),
        ("lr=a..b", "a number"),
        ("lr=1e-4..1e-3..1e-2", "LOW below HIGH"),
        ("rank=4.5,8", "whole number"),
        ("content_from=photo..base", "commas"),
        ("content_from=pohto", "'photo' or 'base'"),
        ("seed=1..5", "no knob"),
        ("name=a,b", "no knob"),
        ("own_colours=hair,skin", "a list"),
    ],
)
def test_a_bad_knob_is_named_with_what_was_expected(text: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words.replace("..", r"\.\.")):
        parse_knobs([text])


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(RecipeError, match="3 mistakes") as caught:
        parse_knobs(["lrr=1..2", "rank=x,y", "lr=1e-3..1e-2", "lr=1e-4..1e-3"])
    assert "given twice" in str(caught.value)


def test_values_out_of_range_are_refused_before_any_training() -> None:
    with pytest.raises(RecipeError, match=r"quick, lr: .*0\.1"):
        space("lr=1e-3..5")


def test_a_recipe_that_there_is_not_is_suggested() -> None:
    with pytest.raises(RecipeNotFoundError) as caught:
        space(recipes=("quikc",))
    assert "quick" in caught.value.hint
    with pytest.raises(UsageError, match="twice"):
        space(recipes=("quick", "quick"))


def test_the_default_recipes_ship_and_overrides_reach_all_of_them() -> None:
    shipped = {file.name for file in list_recipes()}
    found = make_space((), (), ("steps=40", "eval_every=10"), few=False)
    assert set(found.recipes) == shipped & set(ARTISTS)
    assert {recipe.steps for recipe in found.recipes.values()} == {40}
    assert set(make_space((), (), (), few=True).recipes) == shipped & set(FEW)


@given(st.sampled_from([1, 4, 16]), st.floats(3e-4, 3e-3))
def test_a_trial_is_its_recipe_with_its_knobs(rank: int, lr: float) -> None:
    found = space("rank=1..16", "lr=3e-4..3e-3", overrides=("alpha=16",))
    recipe = found.recipe({"recipe": "quick", "rank": rank, "lr": lr})
    assert (recipe.rank, recipe.lr) == (rank, lr)
    assert recipe.alpha / recipe.rank == pytest.approx(16 / found.recipes["quick"].rank)
    assert found.recipe({"recipe": "quick"}) == found.recipes["quick"]
    assert found.label({"recipe": "quick", "rank": rank, "lr": lr}).startswith(f"quick rank={rank} lr=")


def test_the_grid_has_every_combination_once() -> None:
    rows = space("rank=4,8", "train_norms=yes,no").grid()
    assert len(rows) == 1 + 4
    assert len({tuple(sorted(row.items())) for row in rows}) == len(rows)
    with pytest.raises(UsageError, match="range for lr"):
        space("lr=3e-4..3e-3").grid()


def test_a_recipe_of_your_own_may_be_a_path(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('summary = "x"\nsteps = 30\n')
    found = space(recipes=(str(path), "quick"))
    assert set(found.recipes) == {"own", "quick"}
    assert found.recipe({"recipe": "quick"}) == load_recipe("quick")

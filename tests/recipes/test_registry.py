"""Recipes by name and path, and overrides."""

from pathlib import Path

import pytest

from recipes import RecipeError, RecipeNotFoundError, apply_overrides, find_recipe, list_recipes, load_recipe
from recipes.registry import CONFIGS

BUILT_IN = sorted(path.stem for path in CONFIGS.glob("*.toml"))


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_shipped_recipe_is_valid_and_has_its_header(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    header = (CONFIGS / f"{name}.toml").read_text(encoding="utf-8").split("\n\n")[0]
    body = (CONFIGS / f"{name}.toml").read_text(encoding="utf-8")
    assert header.startswith(f"# {name}: ")
    for word in ("# When:", "# Cost:", "# Run:"):
        assert word in body


def test_quick_ships() -> None:
    assert "quick" in BUILT_IN
    assert [file.name for file in list_recipes()] == BUILT_IN


def test_the_users_recipes_are_listed_and_win(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("steps = 77\n", encoding="utf-8")
    (tmp_path / "quick.toml").write_text("steps = 55\n", encoding="utf-8")
    found = {file.name: file.origin for file in list_recipes(tmp_path)}
    assert found["mine"] == found["quick"] == "user"
    assert load_recipe("mine", tmp_path).steps == 77
    assert load_recipe("mine", tmp_path).name == "mine"
    assert load_recipe("quick", tmp_path).steps == 55
    assert load_recipe("quick").steps != 55


def test_a_path_is_a_recipe_too(tmp_path: Path) -> None:
    path = tmp_path / "中 文.toml"
    path.write_text("steps = 42\n", encoding="utf-8")
    assert load_recipe(path).steps == load_recipe(str(path)).steps == 42


def test_a_missing_name_suggests_the_closest() -> None:
    with pytest.raises(RecipeNotFoundError, match="'qiuck'") as caught:
        load_recipe("qiuck")
    assert caught.value.hint == "did you mean 'quick'?"
    assert caught.value.exit_code == 4
    with pytest.raises(RecipeNotFoundError) as far:
        load_recipe("zzz")
    assert "quick" in far.value.hint


def test_a_missing_path_and_a_folder_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(RecipeNotFoundError, match="does not exist"):
        find_recipe(tmp_path / "none.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(RecipeNotFoundError, match="is a folder"):
        find_recipe(tmp_path / "folder.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"steps = 50\n\xff\xfe")
    with pytest.raises(RecipeError, match=r"bytes.toml: not UTF-8 text \(byte 11\)"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("steps=60", "steps", 60),
        ("lr=5e-4", "lr", 5e-4),
        ("lambda_gan=2", "lambda_gan", 2.0),
        ("train_norms=no", "train_norms", False),
        ("train_norms=True", "train_norms", True),
        ("d_start=base", "d_start", "base"),
        ("augment=shift, cutout", "augment", ("shift", "cutout")),
        ("augment=", "augment", ()),
        ("summary=a=b", "summary", "a=b"),
    ],
)
def test_overrides_are_read_by_the_type_of_the_field(override: str, field: str, value: object) -> None:
    changed = apply_overrides(load_recipe("quick"), [override])
    assert getattr(changed, field) == value
    assert type(getattr(changed, field)) is type(value)
    before = load_recipe("quick").model_dump(exclude={field})
    assert changed.model_dump(exclude={field}) == before


def test_the_last_override_wins() -> None:
    assert apply_overrides(load_recipe("quick"), ["steps=60", "steps=70"]).steps == 70


def test_all_wrong_overrides_are_named_at_once() -> None:
    wrong = ["rnk=3", "steps=x", "lr=5", "batch=4", "oops", "train_norms=maybe", "rank=8.5"]
    with pytest.raises(RecipeError) as caught:
        apply_overrides(load_recipe("quick"), wrong)
    text = str(caught.value)
    assert text.startswith("overrides: 6 mistakes\n")
    assert "rnk: unknown field; did you mean 'rank'?" in text
    assert "'oops': found no '='" in text
    assert "train_norms: found 'maybe', expected true or false" in text
    assert "lr: found 5.0, expected a number above 0 and at most 0.1" in text
    assert "batch" not in text

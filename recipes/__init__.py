"""Recipes: what to train and how, as small TOML files that validate as a whole."""

from recipes.effects import idle_fields
from recipes.errors import RecipeError, RecipeNotFoundError
from recipes.overrides import apply_overrides
from recipes.registry import RecipeFile, find_recipe, list_recipes, load_recipe
from recipes.schema import Recipe
from recipes.toml import dumps, loads, recipe_hash
from recipes.validation import validate

__all__ = [
    "Recipe",
    "RecipeError",
    "RecipeFile",
    "RecipeNotFoundError",
    "apply_overrides",
    "dumps",
    "find_recipe",
    "idle_fields",
    "list_recipes",
    "load_recipe",
    "loads",
    "recipe_hash",
    "validate",
]

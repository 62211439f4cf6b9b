"""A study over recipes: which one suits these drawings."""

from fewshot.selection.select import Selection, select_recipe

__all__ = ["Selection", "select_recipe"]

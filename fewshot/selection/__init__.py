"""A study over recipes: which one suits these drawings."""

"""Alembic migrations of the tables in `fewshot.catalog.models`."""

"""Alembic's entry point; `database.py` gives it an open connection."""

from alembic import context

from fewshot.catalog.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()

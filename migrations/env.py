"""Alembic's entry: `limpet.database.upgrade` hands it the engine."""

from alembic import context
from sqlmodel import SQLModel

import history.tables  # noqa: F401 - registers its tables
import limpet.dead.tables  # noqa: F401 - registers its table
import proxies.tables  # noqa: F401 - registers its table
import results.tables  # noqa: F401 - registers its table

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True
    )
    with context.begin_transaction():
        context.run_migrations()

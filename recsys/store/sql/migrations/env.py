"""Where Alembic begins: runs the steps over the connection, and in the transaction, that it was given."""

from __future__ import annotations

from alembic import context

from recsys.store.sql.schema import METADATA


def run() -> None:
    """Run the steps."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file; imported by another it does nothing
    run()

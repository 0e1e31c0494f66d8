"""Alembic runs this file for every command. The connection, in a transaction of its caller's, comes with the
configuration."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()

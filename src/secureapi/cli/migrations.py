"""Whether the tables are those that the code expects."""

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Connection


def pending_migrations(app: Flask, connection: Connection) -> list[str]:
    """The revisions that have not run yet, oldest first.

    Raises `alembic.util.CommandError` when the database is at a revision that this code does not know: a newer version made it.
    """
    script = ScriptDirectory.from_config(app.extensions["migrate"].migrate.get_config())
    present = MigrationContext.configure(connection).get_current_heads()
    return [step.revision for step in script.iterate_revisions("heads", present or "base")][::-1]

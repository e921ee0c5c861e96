"""Whether the tables are those that the code expects."""

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from flask import Flask
from sqlalchemy import Connection

from secureapi.core.extension_migrations import ExtensionMigrations
from secureapi.core.services import service


class UnknownRevision(Exception):
    """The database is at a revision that this code does not have: a newer version of secureapi has used it."""


def pending_migrations(app: Flask, connection: Connection) -> list[str]:
    """The revisions that have not run yet, oldest first, and behind them those of extensions as `notes:0001`. Raises `UnknownRevision`."""
    script = ScriptDirectory.from_config(app.extensions["migrate"].migrate.get_config())
    present = MigrationContext.configure(connection).get_current_heads()
    try:
        ours = [step.revision for step in script.iterate_revisions("heads", present or "base")][::-1]
        return ours + service(ExtensionMigrations, app).pending(connection)
    except (CommandError, RevisionError):
        raise UnknownRevision from None

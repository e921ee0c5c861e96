"""Tables of extensions: each extension has migrations of its own, and a version table of its own that says how far they have run.

Not branches of our own chain: revisions of two extensions could then have the same name, and a database would be called unknown as
soon as an extension is switched off.
"""

from collections.abc import Mapping
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

VERSION_TABLE = "alembic_version_"


class ExtensionMigrations:
    """The migrations of the extensions of one application."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._scripts = {name: ScriptDirectory(folder, version_locations=[folder]) for name, folder in folders.items()}

    @property
    def names(self) -> list[str]:
        """Of the extensions that have migrations."""
        return list(self._scripts)

    def pending(self, connection: Connection) -> list[str]:
        """What has not run yet, as `notes:0001`, oldest first. Raises `CommandError` for a revision that an extension does not have."""
        waiting = []
        for name, script in self._scripts.items():
            present = _context(connection, name).get_current_heads()
            steps = [step.revision for step in script.iterate_revisions("heads", present or "base")]
            waiting += [f"{name}:{revision}" for revision in reversed(steps)]
        return waiting

    def upgrade(self, connection: Connection) -> None:
        """Bring the tables of every extension up to date, each migration in a transaction of its own."""
        for name, script in self._scripts.items():
            _run(connection, name, lambda present, _context, script=script: script._upgrade_revs("heads", present))  # noqa: SLF001 - what alembic's own command calls

    def downgrade(self, connection: Connection, name: str, revision: str = "base") -> None:
        """Take the tables of one extension back. Raises `KeyError` for one that has no migrations here."""
        script = self._scripts[name]
        _run(connection, name, lambda present, _context: script._downgrade_revs(revision, present))  # noqa: SLF001 - likewise


def _context(connection: Connection, name: str, **options: object) -> MigrationContext:
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE + name, "transaction_per_migration": True, **options}
    )


def _run(connection: Connection, name: str, steps: object) -> None:
    context = _context(connection, name, fn=steps)
    with context.begin_transaction(), Operations.context(context):
        context.run_migrations()
    connection.commit()

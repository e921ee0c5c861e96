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

from secureapi.core.database import Database
from secureapi.core.health import NotWell

VERSION_TABLE = "alembic_version_"


class ExtensionMigrations:
    """The migrations of the extensions of one application."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._scripts = {name: ScriptDirectory(folder, version_locations=[folder]) for name, folder in folders.items()}
        self._is_well = False

    @property
    def names(self) -> list[str]:
        """Of the extensions that have migrations."""
        return list(self._scripts)

    def pending(self, connection: Connection) -> list[str]:
        """What has not run yet, as `notes:0001`, oldest first. Raises `CommandError` for a revision that an extension does not have."""
        return [f"{name}:{revision}" for name in self._scripts for revision in self.pending_of(connection, name)]

    def pending_of(self, connection: Connection, name: str) -> list[str]:
        """The same of one extension, as `0001`."""
        steps = self._scripts[name].iterate_revisions("heads", self.present(connection, name) or "base")
        return [step.revision for step in steps][::-1]

    def present(self, connection: Connection, name: str) -> tuple[str, ...]:
        """How far the migrations of an extension have come; nothing for one of which none has run."""
        return _context(connection, name).get_current_heads()

    def look(self, database: Database) -> None:
        """Raise `NotWell` while migrations of extensions have not run: their endpoints would fail. When all is well it stays so."""
        if self._is_well:
            return
        with database.reading() as connection:
            waiting = self.pending(connection)
        if waiting:
            raise NotWell(f"{len(waiting)} migrations of extensions have not run")
        self._is_well = True

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

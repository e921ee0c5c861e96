"""What must hold while migrations run: nobody else runs any on this database, and no extension loses what its tables point to."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, inspect, select, table, text

from secureapi.core.database import engine_options
from secureapi.core.extension_migrations import VERSION_TABLE
from secureapi.settings import Settings

MIGRATING = 0x5EC0_4EA9_1218
"""The number under which PostgreSQL knows that somebody migrates. Any number, as long as it is always the same."""


@contextmanager
def alone(settings: Settings, number: int) -> Iterator[None]:
    """Wait until nobody else is at what has this number, on any machine that uses this PostgreSQL. SQLite has one machine only."""
    if settings.is_embedded_database:
        yield
        return
    engine = create_engine(settings.database_url, **engine_options(settings))
    try:
        # Bound to a transaction and not to a session: a pooler in between may give every transaction another session.
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
            yield
    finally:
        engine.dispose()


def refuse_to_orphan(connection: Connection, steps: Iterable[Any]) -> None:
    """Raise `CommandError` before a downgrade that takes the first of our tables away, while an extension has tables here.

    Its tables point to ours: PostgreSQL would stop in the middle of the way, and SQLite leave them behind, pointing to nothing.
    """
    if all(step.revision.down_revision for step in steps):
        return
    names = [name for name in inspect(connection).get_table_names() if name.startswith(VERSION_TABLE)]
    left = [name.removeprefix(VERSION_TABLE) for name in names if connection.execute(select(1).select_from(table(name))).first()]
    if left:
        commands = " and ".join(f"`flask plugin downgrade {name}`" for name in sorted(left))
        raise CommandError(f"Extensions have tables here that point to ours. Take these back first, with {commands}. Nothing was changed.")

"""How migrations run: online, over the application's own engine. `flask db upgrade` calls this.

Extensions are brought up to date behind us, when our own tables stand at their newest revision.
"""

from contextlib import nullcontext

from alembic import context
from flask import current_app

from secureapi.core.database import Base
from secureapi.core.extension_migrations import ExtensionMigrations
from secureapi.core.migration_runs import MIGRATING, alone, refuse_to_orphan
from secureapi.core.services import service
from secureapi.settings.in_force import SettingsInForce

migrate = current_app.extensions["migrate"]
database = migrate.db
OURS = {mapper.local_table.name for mapper in Base.registry.mappers if mapper.class_.__module__.startswith("secureapi.")}


def _leave_out(_object: object, name: str | None, type_: str, _reflected: bool, _compare_to: object) -> bool:  # noqa: FBT001 - alembic calls it
    """Tables of people who build on secureapi are theirs to migrate."""
    return not (type_ == "table" and name not in OURS)


def _task() -> str:
    """What is to be done: an upgrade, a downgrade, a stamp, or a look."""
    return getattr(context.get_context().opts["fn"], "__name__", "")


def _is_upgraded() -> bool:
    """Whether this was an upgrade, and not a downgrade, a stamp or a look, and has come to the end."""
    newest = set(context.script.get_heads())
    return _task() == "upgrade" and set(context.get_context().get_current_heads()) == newest


def _refuse_to_orphan() -> None:
    present = context.get_context()
    refuse_to_orphan(present.connection, present.opts["fn"](present.get_current_heads(), present))
    present.connection.rollback()


with database.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=_leave_out,
        transaction_per_migration=True,
        **migrate.configure_args,
    )
    is_change = _task() in {"upgrade", "downgrade", "do_stamp"}
    with alone(service(SettingsInForce).start, MIGRATING) if is_change else nullcontext():
        if _task() == "downgrade":
            _refuse_to_orphan()
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
        if _is_upgraded():
            connection.commit()
            service(ExtensionMigrations).upgrade(connection)

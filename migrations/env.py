"""How migrations run: online, over the application's own engine. `flask db upgrade` calls this."""

from alembic import context
from flask import current_app

from secureapi.core.database import Base

migrate = current_app.extensions["migrate"]
database = migrate.db


def _leave_out(_object: object, name: str | None, type_: str, _reflected: bool, _compare_to: object) -> bool:  # noqa: FBT001 - alembic calls it
    """Tables of people who build on secureapi are theirs to migrate."""
    return not (type_ == "table" and name not in Base.metadata.tables)


with database.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=_leave_out,
        transaction_per_migration=True,
        **migrate.configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()

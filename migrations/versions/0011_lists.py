"""What lists of accounts are found by, at the same cost whatever is asked for at once. PostgreSQL writes the table anew for the column."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_LISTED_AS = """
    CASE WHEN status = 'active' AND invited_at IS NULL THEN 'active'
         WHEN status = 'active' THEN 'invited'
         WHEN locked_at IS NULL THEN 'disabled'
         WHEN locked_until IS NULL THEN 'locked'
         ELSE 'ending' END
"""
_NARROWING = (("listed_as",), ("role", "listed_as"))
_WANTED = (("created_at", "id"), ("username_canonical",), ("email_canonical",))
_ENDING = sa.text("locked_until IS NOT NULL")
_SPECIAL = sa.text("role <> 'user'")
_LOCKED = sa.text("locked_at IS NOT NULL")
_INVITED = sa.text("invited_at IS NOT NULL")


def upgrade() -> None:
    # SQLite can add no column that is stored: there it is worked out when it is asked for, and stored in the indexes.
    is_stored = op.get_bind().dialect.name == "postgresql"
    op.add_column("users", sa.Column("listed_as", sa.String(length=16), sa.Computed(_LISTED_AS, persisted=is_stored)))
    for name in ("invited", "locked", "role_email", "role_username", "status_created_at_id", "role_created_at_id"):
        op.drop_index(f"ix_users_{name}", "users")
    for index, columns in _indexes():
        op.create_index(index, "users", columns)
    op.create_index("ix_users_locked_until", "users", ["locked_until"], postgresql_where=_ENDING, sqlite_where=_ENDING)


def downgrade() -> None:
    op.drop_index("ix_users_locked_until", "users")
    for index, _ in _indexes():
        op.drop_index(index, "users")
    op.drop_column("users", "listed_as")
    op.create_index("ix_users_role_created_at_id", "users", ["role", "created_at", "id"])
    op.create_index("ix_users_status_created_at_id", "users", ["status", "created_at", "id"])
    for column in ("username", "email"):
        op.create_index(
            f"ix_users_role_{column}", "users", ["role", f"{column}_canonical"], postgresql_where=_SPECIAL, sqlite_where=_SPECIAL
        )
    op.create_index("ix_users_locked", "users", ["created_at", "id"], postgresql_where=_LOCKED, sqlite_where=_LOCKED)
    op.create_index("ix_users_invited", "users", ["created_at", "id"], postgresql_where=_INVITED, sqlite_where=_INVITED)


def _indexes() -> list[tuple[str, list[str]]]:
    """One for each order and each name that is looked for, behind whatever a list may be narrowed by."""
    return [
        (f"ix_users_{'_'.join(column.removesuffix('_canonical') for column in (*by, *wanted))}", [*by, *wanted])
        for by in _NARROWING
        for wanted in _WANTED
    ]

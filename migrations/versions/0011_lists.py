"""What lists of accounts are found by, at the same cost whatever is asked for at once. PostgreSQL writes the table anew for the column."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WORD = """
    CASE WHEN status = 'active' AND invited_at IS NULL THEN 'active'
         WHEN status = 'active' THEN 'invited'
         WHEN locked_at IS NULL THEN 'disabled'
         WHEN locked_until IS NULL THEN 'locked'
         WHEN invited_at IS NULL THEN 'ending'
         ELSE 'ending-invited' END
"""
_LISTED = {"listed_as": (16, _WORD), "listed_under": (48, f"role || ' ' || {_WORD}")}
_ORDERS = {"created_at_id": ["created_at", "id"], "username": ["username_canonical", "id"], "email": ["email_canonical"]}
_NAMES = {"username_canonical": 'COLLATE "POSIX"', "email_canonical": 'COLLATE "POSIX"'}
"""The order of bytes under another name than in the unique indexes, so that nobody goes along those where a filter leaves few."""
_ENDING = sa.text("locked_until IS NOT NULL")
_SPECIAL = sa.text("role <> 'user'")
_LOCKED = sa.text("locked_at IS NOT NULL")
_INVITED = sa.text("invited_at IS NOT NULL")


def upgrade() -> None:
    for name in ("invited", "locked", "role_email", "role_username", "status_created_at_id", "role_created_at_id", "created_at_id"):
        op.drop_index(f"ix_users_{name}", "users")
    # SQLite can add no column that is stored: there it is worked out when it is asked for, and stored in the indexes.
    is_stored = op.get_bind().dialect.name == "postgresql"
    for column, (length, what) in _LISTED.items():
        op.add_column("users", sa.Column(column, sa.String(length=length), sa.Computed(what, persisted=is_stored)))
    for index, columns in _indexes():
        op.create_index(index, "users", columns, postgresql_ops=_NAMES)
    op.create_index("ix_users_role", "users", ["role"])
    op.create_index("ix_users_locked_until", "users", ["locked_until"], postgresql_where=_ENDING, sqlite_where=_ENDING)


def downgrade() -> None:
    op.drop_index("ix_users_locked_until", "users")
    op.drop_index("ix_users_role", "users")
    for index, _ in _indexes():
        op.drop_index(index, "users")
    for column in _LISTED:
        op.drop_column("users", column)
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"])
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
    return [(f"ix_users_{by}_{order}", [by, *columns]) for by in _LISTED for order, columns in _ORDERS.items()]

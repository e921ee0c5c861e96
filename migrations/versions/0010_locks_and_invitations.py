"""Locks of accounts that end by themselves and have a reason, and invitations that nobody has accepted yet."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_LOCKED = sa.text("locked_at IS NOT NULL")
_INVITED = sa.text("invited_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("users", sa.Column("locked_until", sa.DateTime(timezone=True)))
    op.add_column("users", sa.Column("lock_reason", sa.String(length=200)))
    op.add_column("users", sa.Column("invited_at", sa.DateTime(timezone=True)))
    op.create_index("ix_users_locked", "users", ["created_at", "id"], postgresql_where=_LOCKED, sqlite_where=_LOCKED)
    op.create_index("ix_users_invited", "users", ["created_at", "id"], postgresql_where=_INVITED, sqlite_where=_INVITED)


def downgrade() -> None:
    op.drop_index("ix_users_invited", "users")
    op.drop_index("ix_users_locked", "users")
    # Whoever is locked until some moment stays locked until an administrator unlocks him.
    op.drop_column("users", "invited_at")
    op.drop_column("users", "lock_reason")
    op.drop_column("users", "locked_until")

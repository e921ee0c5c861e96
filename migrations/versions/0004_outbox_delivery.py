"""The outbox is delivered: claims, dead letters, and indexes of what waits instead of all that ever was."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PARTS = (
    ("ix_outbox_waiting", "due_at", "delivered_at IS NULL AND dead_at IS NULL"),
    ("ix_outbox_dead_at", "dead_at", "dead_at IS NOT NULL"),
    ("ix_outbox_delivered_at", "delivered_at", "delivered_at IS NOT NULL"),
)


def upgrade() -> None:
    op.add_column("outbox", sa.Column("locked_until", sa.DateTime(timezone=True)))
    op.add_column("outbox", sa.Column("dead_at", sa.DateTime(timezone=True)))
    op.add_column("outbox", sa.Column("last_error", sa.String(length=64)))
    op.drop_index("ix_outbox_delivered_at_due_at", "outbox")
    for name, column, condition in _PARTS:
        op.create_index(name, "outbox", [column], postgresql_where=sa.text(condition), sqlite_where=sa.text(condition))


def downgrade() -> None:
    for name, _, _ in _PARTS:
        op.drop_index(name, "outbox")
    with op.batch_alter_table("outbox") as outbox:
        outbox.drop_column("last_error")
        outbox.drop_column("dead_at")
        outbox.drop_column("locked_until")
    op.create_index("ix_outbox_delivered_at_due_at", "outbox", ["delivered_at", "due_at"])

"""Phases of signing keys, clients that ask about tokens, and the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signing_keys", sa.Column("activated_at", sa.DateTime(timezone=True)))
    op.add_column("signing_keys", sa.Column("verifies_until", sa.DateTime(timezone=True)))
    op.execute("UPDATE signing_keys SET activated_at = created_at")
    following = sa.text("phase = 'next'")
    op.create_index("uq_signing_keys_next", "signing_keys", ["algorithm"], unique=True, postgresql_where=following, sqlite_where=following)

    op.create_table(
        "clients",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clients"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False)),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_delivered_at_due_at", "outbox", ["delivered_at", "due_at"])


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_table("clients")
    op.drop_index("uq_signing_keys_next", "signing_keys")
    with op.batch_alter_table("signing_keys") as keys:
        keys.drop_column("verifies_until")
        keys.drop_column("activated_at")

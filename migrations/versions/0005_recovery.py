"""Links in messages, accounts that wait for their address to be confirmed, known devices, and attempts that are found by their owner."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("email_number", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("users", sa.Column("pending_email", sa.String(length=254)))
    op.add_column("users", sa.Column("password_refused_since", sa.DateTime(timezone=True)))
    op.add_column("users", sa.Column("devices_since", sa.DateTime(timezone=True)))
    op.add_column("sessions", sa.Column("device_id", sa.Uuid(as_uuid=False)))
    op.create_index("ix_sessions_user_id_address_created_at", "sessions", ["user_id", "address", "created_at"])
    op.add_column("throttles", sa.Column("user_id", sa.Uuid(as_uuid=False)))
    op.create_index("ix_throttles_user_id", "throttles", ["user_id"])

    op.create_table(
        "one_time_links",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False)),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_one_time_links_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_one_time_links"),
    )
    op.create_index("ix_one_time_links_user_id_purpose", "one_time_links", ["user_id", "purpose"])
    op.create_index("ix_one_time_links_expires_at", "one_time_links", ["expires_at"])

    op.create_table(
        "pending_registrations",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("username", sa.String(length=50), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_canonical", sa.String(length=512), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("full_name", sa.String(length=100)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pending_registrations"),
    )
    op.create_index("ix_pending_registrations_email_canonical", "pending_registrations", ["email_canonical"])
    op.create_index("ix_pending_registrations_expires_at", "pending_registrations", ["expires_at"])


def downgrade() -> None:
    op.drop_table("pending_registrations")
    op.drop_table("one_time_links")
    op.drop_index("ix_throttles_user_id", "throttles")
    op.drop_index("ix_sessions_user_id_address_created_at", "sessions")
    for table, columns in (
        ("throttles", ("user_id",)),
        ("sessions", ("device_id",)),
        ("users", ("devices_since", "password_refused_since", "pending_email", "email_number")),
    ):
        with op.batch_alter_table(table) as changed:
            for column in columns:
                changed.drop_column(column)

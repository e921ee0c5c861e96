"""Hashes of former passwords, for PASSWORD_HISTORY."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "password_history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_password_history"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_password_history_user_id_users", ondelete="CASCADE"),
    )
    op.create_index("ix_password_history_user_id_id", "password_history", ["user_id", "id"])


def downgrade() -> None:
    op.drop_table("password_history")

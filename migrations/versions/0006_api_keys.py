"""API keys, their values, and how often each was used on each day."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("scopes", sa.String(length=500), nullable=False),
        sa.Column("networks", sa.String(length=1000), nullable=False),
        sa.Column("requests_per_minute", sa.Integer()),
        sa.Column("daily_quota", sa.Integer()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("revoke_reason", sa.String(length=32)),
        sa.Column("refusal_noted_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_keys_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_user_id_revoked_at", "api_keys", ["user_id", "revoked_at"])

    op.create_table(
        "api_key_values",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("key_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("hint", sa.String(length=8), nullable=False),
        sa.Column("value_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("good_until", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_api_key_values_key_id_api_keys", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_api_key_values"),
        sa.UniqueConstraint("hint", name="uq_api_key_values_hint"),
    )
    op.create_index("ix_api_key_values_key_id", "api_key_values", ["key_id"])

    op.create_table(
        "api_key_usage",
        sa.Column("key_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_address", sa.String(length=45), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_api_key_usage_key_id_api_keys", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key_id", "day", name="pk_api_key_usage"),
    )


def downgrade() -> None:
    op.drop_table("api_key_usage")
    op.drop_table("api_key_values")
    op.drop_table("api_keys")

"""Roles that administrators define, accounts that they lock, and indexes by which accounts are found among a million."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SPECIAL = sa.text("role <> 'user'")
_BYTEWISE = (("username_canonical", 50), ("email_canonical", 512))


def upgrade() -> None:
    op.create_table(
        "roles",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("permissions", sa.String(length=1000), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_roles"),
    )
    op.add_column("users", sa.Column("locked_at", sa.DateTime(timezone=True)))
    op.create_index("ix_users_role_created_at_id", "users", ["role", "created_at", "id"])
    op.create_index("ix_users_status_created_at_id", "users", ["status", "created_at", "id"])
    _sort("C")
    for column in ("username", "email"):
        op.create_index(
            f"ix_users_role_{column}", "users", ["role", f"{column}_canonical"], postgresql_where=_SPECIAL, sqlite_where=_SPECIAL
        )


def downgrade() -> None:
    op.drop_index("ix_users_role_email", "users")
    op.drop_index("ix_users_role_username", "users")
    _sort("default")
    op.drop_index("ix_users_status_created_at_id", "users")
    op.drop_index("ix_users_role_created_at_id", "users")
    # Whoever was locked stays disabled.
    op.drop_column("users", "locked_at")
    op.drop_table("roles")


def _sort(collation: str) -> None:
    """Have PostgreSQL compare the canonical forms by this collation. SQLite compares bytes anyway.

    In the order of bytes the unique indexes find beginnings too (LIKE 'ann%'), which in that of a language they do not. The table is
    not copied for it; its two indexes are built anew.
    """
    if op.get_bind().dialect.name == "postgresql":
        for column, length in _BYTEWISE:
            op.execute(f'ALTER TABLE users ALTER COLUMN {column} TYPE varchar({length}) COLLATE "{collation}"')

"""Versions of the settings that may change while the server runs. Another table that can only grow."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "settings_versions",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Uuid(as_uuid=False)),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("comment", sa.String(length=500), nullable=False),
        sa.Column("restored", sa.Integer()),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_settings_versions"),
    )
    _make_append_only()


def downgrade() -> None:
    op.drop_table("settings_versions")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION IF EXISTS settings_versions_refuse()")


def _make_append_only() -> None:
    """As the trail: who changed what stays, whoever asks."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("""
            CREATE FUNCTION settings_versions_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'settings_versions is append-only' USING ERRCODE = 'insufficient_privilege';
            END $$
        """)
        op.execute("""
            CREATE TRIGGER settings_versions_append_only BEFORE UPDATE OR DELETE ON settings_versions
            FOR EACH ROW EXECUTE FUNCTION settings_versions_refuse()
        """)
        op.execute("""
            CREATE TRIGGER settings_versions_no_truncate BEFORE TRUNCATE ON settings_versions
            FOR EACH STATEMENT EXECUTE FUNCTION settings_versions_refuse()
        """)
        return
    for action in ("UPDATE", "DELETE"):
        op.execute(f"""
            CREATE TRIGGER settings_versions_no_{action.lower()} BEFORE {action} ON settings_versions
            BEGIN SELECT RAISE(ABORT, 'settings_versions is append-only'); END
        """)
    # INSERT OR REPLACE removes the old row without asking the trigger above.
    op.execute("""
        CREATE TRIGGER settings_versions_no_replace BEFORE INSERT ON settings_versions
        WHEN EXISTS (SELECT 1 FROM settings_versions WHERE number = NEW.number)
        BEGIN SELECT RAISE(ABORT, 'settings_versions is append-only'); END
    """)

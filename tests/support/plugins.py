"""Installed packages that bring an extension, as an installer lays them down; and their modules forgotten again."""

import importlib
import sys
from pathlib import Path

from secureapi.plugins import GROUP

GOOD = """
from pathlib import Path
from flask import Blueprint
from secureapi.extension import Extension, public
{name} = Blueprint("{name}", __name__)
{name}.get("/{name}")(public(lambda: "here"))
folder = Path(__file__).parent / "{name}_migrations"
extension = Extension(name="{name}", blueprint={name}, migrations=folder if folder.is_dir() else None)
"""
_MIGRATION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "{revision}", {before!r}, None, None
def upgrade():
    op.create_table("{name}_{revision}", sa.Column("id", sa.Integer(), primary_key=True))
def downgrade():
    op.drop_table("{name}_{revision}")
"""


class Packages:
    """A folder on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before = set(sys.modules)

    def install(self, name: str, source: str = GOOD, *, value: str | None = None, package: str | None = None) -> None:
        """Lay down a module with an entry point of its name."""
        package = package or name
        (self.folder / f"{name}.py").write_text(source.format(name=name))
        about = self.folder / f"{package}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value or f'{name}:extension'}\n")
        importlib.invalidate_caches()

    def add_migrations(self, name: str, *revisions: str) -> None:
        """Lay down migrations beside a module, each of which makes a table."""
        folder = self.folder / f"{name}_migrations"
        folder.mkdir(exist_ok=True)
        for before, revision in zip((None, *revisions), revisions, strict=False):
            (folder / f"{revision}.py").write_text(_MIGRATION.format(name=name, revision=revision, before=before))

    def forget(self) -> None:
        for module in set(sys.modules) - self._before:
            if str(self.folder) in str(getattr(sys.modules[module], "__file__", "")):
                del sys.modules[module]

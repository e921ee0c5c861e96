"""Notes: an extension of secureapi. Everybody has his own; whoever holds `content:delete` sees and deletes those of others."""

from pathlib import Path

from notes.routes import blueprint
from secureapi.extension import Extension

extension = Extension(name="notes", blueprint=blueprint, migrations=Path(__file__).parent / "migrations")

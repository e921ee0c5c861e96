"""Commands: thin, they call services. `init`, `doctor` and `config` are entry points, since they must work without an app."""

from flask import Flask


def register_commands(app: Flask) -> None:
    """Add the commands that need the application."""

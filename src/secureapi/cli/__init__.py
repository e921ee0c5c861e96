"""Commands: thin, they call services. `init`, `doctor` and `config` are entry points, since they must work without an app."""

from flask import Flask

from secureapi.cli.apikey import apikey as apikey_commands
from secureapi.cli.client import client as client_commands
from secureapi.cli.jwt import jwt as jwt_commands
from secureapi.cli.openapi import openapi as openapi_commands
from secureapi.cli.outbox import outbox as outbox_commands
from secureapi.cli.plugin import plugin as plugin_commands
from secureapi.cli.role import role as role_commands
from secureapi.cli.session import session as session_commands
from secureapi.cli.user import user as user_commands
from secureapi.cli.worker import worker as worker_command


def register_commands(app: Flask) -> None:
    """Add the commands that need the application."""
    app.cli.add_command(user_commands)
    app.cli.add_command(role_commands)
    app.cli.add_command(session_commands)
    app.cli.add_command(client_commands)
    app.cli.add_command(apikey_commands)
    app.cli.add_command(jwt_commands)
    app.cli.add_command(openapi_commands)
    app.cli.add_command(outbox_commands)
    app.cli.add_command(plugin_commands)
    app.cli.add_command(worker_command)

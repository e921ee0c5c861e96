"""secureapi: a self-hosted identity and security API.

`create_app()` is the one entry point for servers, tests and people who build their own blueprints on it.
"""

from importlib.metadata import version

from secureapi.app import create_app

__all__ = ["__version__", "create_app"]

__version__ = version("secureapi")

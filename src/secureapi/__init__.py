"""secureapi: a self-hosted identity and security API.

`create_app()` is the one entry point for servers, tests and people who build their own blueprints on it.
"""

import gc
from importlib.metadata import version

# What is loaded here stays for as long as the process does. To look through all of it for garbage, on the way and at the end, takes a
# third of the time of a command; and gunicorn's workers go on sharing the memory of what is never looked through.
_collects = gc.isenabled()
gc.disable()
try:
    from secureapi.app import create_app
finally:
    gc.freeze()
    if _collects:
        gc.enable()

__all__ = ["__version__", "create_app"]

__version__ = version("secureapi")

"""The endpoints of this room, a file for each group."""

from secureapi.auth.routes import (
    administering,
    api_keys,
    configuration,
    figures,
    for_services,
    importing,
    password_check,
    recovery,
    sessions,
    signing_in,
)
from secureapi.auth.routes.blueprints import administration, auth, my_credentials, people

__all__ = [
    "administering",
    "administration",
    "api_keys",
    "auth",
    "configuration",
    "figures",
    "for_services",
    "importing",
    "my_credentials",
    "password_check",
    "people",
    "recovery",
    "sessions",
    "signing_in",
]

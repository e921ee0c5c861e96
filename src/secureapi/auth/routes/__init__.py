"""The endpoints of this room, a file for each group."""

from secureapi.auth.routes import figures, for_services, sessions, signing_in
from secureapi.auth.routes.blueprints import administration, auth, my_credentials, people

__all__ = ["administration", "auth", "figures", "for_services", "my_credentials", "people", "sessions", "signing_in"]

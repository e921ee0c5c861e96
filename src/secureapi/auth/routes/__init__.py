"""The endpoints of this room, a file for each group."""

from secureapi.auth.routes import figures, signing_in
from secureapi.auth.routes.blueprints import administration, auth, my_credentials

__all__ = ["administration", "auth", "figures", "my_credentials", "signing_in"]

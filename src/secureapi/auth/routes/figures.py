"""Figures over HTTP."""

from typing import Any

from secureapi.auth.routes.blueprints import administration
from secureapi.auth.schemas.figures import FiguresResponse
from secureapi.auth.service import Statistics
from secureapi.core.api import returns
from secureapi.core.services import service
from secureapi.security.guard import requires
from secureapi.security.permissions import Permission


@administration.get("/stats")
@requires(Permission.ADMIN_READ)
@returns(FiguresResponse)
def read_figures() -> Any:
    """How many accounts and sessions there are, and how many events the last day had."""
    return service(Statistics).figures()

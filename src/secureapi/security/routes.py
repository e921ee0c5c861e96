"""The trail and the state of the house over HTTP."""

from typing import Any

from secureapi.core.api import Blueprint, asks, returns
from secureapi.core.health import HealthChecks
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import requires, signed_in
from secureapi.security.identity import current_identity
from secureapi.security.permissions import Permission
from secureapi.security.schemas import EventListResponse, EventQuery, HealthResponse
from secureapi.security.service import EventReader

blueprint = Blueprint("security", __name__, description="The audit trail and the state of the service.")


@blueprint.get("/events")
@requires(Permission.ADMIN_READ)
@asks(EventQuery)
@returns(EventListResponse)
def read_events(wanted: dict[str, Any]) -> Any:
    """What happened, newest first. Reading leaves an event too."""
    return service(EventReader).read(**wanted, caller=current_identity(), client=current_client())


@blueprint.get("/health")
@signed_in
@returns(HealthResponse)
def read_health() -> Any:
    """Whether all is well; what exactly is not, for callers with `admin:read`."""
    health = service(HealthChecks).examine()
    if current_identity().may(Permission.ADMIN_READ):
        return health
    return {"status": health.status}

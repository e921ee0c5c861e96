"""Probes: for load balancers and orchestrators, who have no account."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint

from secureapi.core.health import HealthChecks
from secureapi.core.services import service
from secureapi.security.guard import public
from secureapi.security.limits import UNLIMITED, limited

blueprint = Blueprint("probes", __name__)


@blueprint.get("/livez")
@public
@limited(UNLIMITED)
def live() -> Any:
    """Whether this process answers. Asks nothing else: a restart does not mend a database."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@public
@limited(UNLIMITED)
def ready() -> Any:
    """Whether this process can serve; 503 while something vital is missing. Names and states only."""
    health = service(HealthChecks).examine()
    body = {"status": health.status, "checks": {finding.name: finding.status for finding in health.checks}}
    return body, HTTPStatus.SERVICE_UNAVAILABLE if health.status == "failing" else HTTPStatus.OK


@blueprint.get("/health")
@public
@limited(UNLIMITED)
def health() -> Any:
    """The same in the words of the seed documents: `healthy` or `unhealthy`. No version: that is for callers only."""
    found = service(HealthChecks).examine()
    if found.status == "failing":
        return {"status": "unhealthy"}, HTTPStatus.SERVICE_UNAVAILABLE
    return {"status": "healthy"}

"""Probes: for load balancers, orchestrators and Prometheus, who have no account."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request

from secureapi.core.errors import NotFound
from secureapi.core.health import HealthChecks
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.errors import MetricsRefused
from secureapi.security.guard import public
from secureapi.security.limits import UNLIMITED, Limits, limited
from secureapi.security.metrics import CONTENT_TYPE, Metrics

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
    checks = {finding.name: finding.status for finding in health.checks}
    body = {"status": health.status, "checks": checks, "limits": service(Limits).look().value}
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


@blueprint.get("/metrics")
@public
@limited(UNLIMITED)
def metrics() -> Response:
    """Figures in Prometheus' text format, for whoever has METRICS_TOKEN as a bearer token; 404 where that is not set."""
    figures = service(Metrics)
    if not figures.is_on:
        raise NotFound
    if not figures.is_opened_by(request.headers.get("Authorization", "")):
        # The right token is never kept waiting by somebody else's wrong ones.
        service(Limits).spend("metrics_guess", current_client().address)
        raise MetricsRefused
    return Response(figures.text(), content_type=CONTENT_TYPE)

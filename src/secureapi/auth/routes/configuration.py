"""Settings that may change while the server runs, over HTTP."""

import hashlib
import json
from typing import Any

from flask import Response, request

from secureapi.auth.routes.blueprints import administration
from secureapi.auth.schemas.configuration import (
    ConfigurationChangeResponse,
    ConfigurationRequest,
    ConfigurationResponse,
    SettingsVersionsResponse,
)
from secureapi.auth.service import Configuration
from secureapi.core.api import accepts, asks, returns
from secureapi.core.pages import PageQuery, link_header
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import people_only, recently_authenticated, requires
from secureapi.security.identity import current_identity
from secureapi.security.permissions import Permission

_EXAMPLE = {"changes": {"LOGIN_RATE_LIMIT": "10/minute", "REGISTRATION": None}, "version": 7, "comment": "The fair is over."}


@administration.get("/config")
@requires(Permission.ADMIN_READ)
@returns(ConfigurationResponse)
def read_configuration() -> Any:
    """The settings that may change while the server runs: value, default, bounds, and where the value is from.

    With an entity tag: `If-None-Match` answers 304 while nothing has changed.
    """
    body = ConfigurationResponse().dump(service(Configuration).shown())
    response = Response(json.dumps(body), content_type="application/json")
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    return response.make_conditional(request)


@administration.post("/config")
@requires(Permission.ADMIN_WRITE)
@people_only
@recently_authenticated
@accepts(ConfigurationRequest, example=_EXAMPLE)
@returns(ConfigurationChangeResponse)
def change_configuration(wanted: dict[str, Any]) -> Any:
    """Change settings while the server runs, all that are given or none; or `restore` an older version. For people only,
    of whom somebody with less than the role `admin` is refused: the settings are in force for administrators too.

    `version` is the one that was read: where somebody else was quicker, nothing is changed (409). It counts at once here, and on every
    other worker within `effective_within_seconds`.
    """
    return service(Configuration).change(**wanted, caller=current_identity(), client=current_client())


@administration.get("/config/versions")
@requires(Permission.ADMIN_READ)
@asks(PageQuery)
@returns(SettingsVersionsResponse)
def list_configuration_versions(wanted: dict[str, Any]) -> Any:
    """Who changed which setting, when and why, newest first."""
    page = service(Configuration).history(**wanted)
    return page, link_header(page)

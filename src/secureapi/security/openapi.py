"""The API's description (OpenAPI 3.1): what flask-smorest gathers from the declarations, and what it cannot know.

It cannot know who may enter, which refusals an endpoint can answer with, and that login reads forms too.
"""

import re
from copy import deepcopy
from threading import Lock
from typing import Any

from flask import Blueprint, Flask
from flask_smorest import Api

from secureapi.core.api import PROBLEM_RESPONSES, FaultSchema
from secureapi.core.bodies import FORM, JSON
from secureapi.core.declarations import declared
from secureapi.core.problems import MEDIA_TYPE
from secureapi.core.schemas import StrictSchema
from secureapi.security.guard import access_of, admission_of, lets_keys_in
from secureapi.security.idempotency import KEY_PARAMETER, REPLAYED

_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "A sentence, for people."},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "description": "Stable, for programs; see docs/errors.md."},
        "request_id": {"type": "string"},
        "error": {"type": "string", "description": "Only where OAuth clients call: RFC 6749 section 5.2."},
        "error_description": {"type": "string", "description": "Likewise; the same as `detail`."},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
    },
}
_CLIENT_SCHEME = {
    "client": {
        "type": "http",
        "scheme": "basic",
        "description": "The id and the secret that `flask client add` gave (RFC 6749 section 2.3.1); both are form-urlencoded first. "
        "Or `client_id` and `client_secret` as parameters of the form, but never both.",
    }
}
_KEY_SCHEME = {
    "api_key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, or the same as a bearer token. It enters only where permissions are asked for that are in its scopes.",
    }
}
_EVERYWHERE = (400, 413, 429, 503)
_COOKIE_SCHEMES = {
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-secureapi_access",
        "description": 'Set by signing in with `"delivery": "cookie"`, for pages in a browser; never together with a bearer token.',
    },
    "refresh_cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Secure-secureapi_refresh",
        "description": "Set at the same time. It is enough for signing out.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "The value of the cookie `__Host-secureapi_csrf`, with every unsafe request that is made by cookie.",
    },
}


class OpenApi(Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest's registry. It describes nothing until somebody asks: that takes longer than all the rest of a start.

    Without its error handlers and the answers it describes for every status: `core.problems` answers every error.
    """

    def __init__(self, app: Flask) -> None:
        self._not_yet_described: list[tuple[Any, str]] = []
        self._describing = Lock()
        super().__init__(app)

    def register_blueprint(self, blp: Blueprint, **options: Any) -> None:
        """Mount it now; it is described when somebody asks."""
        self._app.register_blueprint(blp, **options)
        self._not_yet_described.append((blp, options.get("name", blp.name)))

    def gathered(self) -> dict[str, Any]:
        """What the declarations say, as a copy. A mistake in one is an error for whoever asks, each time."""
        with self._describing:
            for blueprint, name in self._not_yet_described:
                blueprint.register_views_in_doc(self, self._app, self.spec, name=name, parameters=None)
            for blueprint, name in self._not_yet_described:
                self.spec.tag({"name": name, "description": blueprint.description})
            self._not_yet_described.clear()
            return deepcopy(self.spec.to_dict())

    def _register_error_handlers(self) -> None:
        """Leave the application's own handlers in place."""

    def _register_responses(self) -> None:
        """Leave out what `describe` would have to replace."""


def init_openapi(app: Flask, *, title: str, version: str) -> OpenApi:
    """The registry to which documented blueprints are given."""
    app.config.update(
        API_TITLE=title,
        API_VERSION=version,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=None,
        API_SPEC_OPTIONS={
            "info": {"description": "Identity and security: registration, sign-in, sessions, accounts and the audit trail."},
            "components": {
                "schemas": {"Problem": _PROBLEM_SCHEMA},
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
                | _COOKIE_SCHEMES
                | _CLIENT_SCHEME
                | _KEY_SCHEME,
            },
        },
    )
    api = OpenApi(app)
    api.DEFAULT_ERROR_RESPONSE_NAME = None
    api.spec.components.schema("Fault", schema=FaultSchema)
    return api


def describe(app: Flask, api: OpenApi) -> dict[str, Any]:
    """The finished description."""
    described = api.gathered()
    schemas = described["components"]["schemas"]
    for schema in StrictSchema.__subclasses__():
        if schema.also and schema.__name__ in schemas:
            schemas[schema.__name__] |= schema.also
    endpoints = {(rule.rule, method.lower()): rule.endpoint for rule in app.url_map.iter_rules() for method in rule.methods or ()}
    for (path, method), endpoint in endpoints.items():
        spelled = path.replace("<id:", "{").replace("<", "{").replace(">", "}")
        operation = described["paths"].get(spelled, {}).get(method)
        if operation is not None:
            _complete(operation, app.view_functions[endpoint], is_safe=method == "get", has_parameters="{" in spelled)
            operation["operationId"] = re.sub(r"\W", "_", endpoint)
    return described


def _complete(operation: dict[str, Any], view: Any, *, is_safe: bool, has_parameters: bool) -> None:
    access = access_of(view)
    is_public = access is not None and access.is_public
    statuses = set(_EVERYWHERE) | {422}
    if not is_public:
        statuses |= {401, 403}
        is_for_clients = access is not None and access.is_client
        operation["security"] = [{"client": []}] if is_for_clients else [{"bearer": []}, *_by_cookie(view, is_safe=is_safe)]
        if lets_keys_in(view):
            operation["security"].append({"api_key": []})
        operation["description"] = f"{operation.get('description', '')}\n\nWho: {admission_of(view)}.".strip()
        if declared(view, "is_dangerous"):
            operation["description"] += " Only with a recent sign-in: otherwise 401 `insufficient_user_authentication` (RFC 9470)."
    else:
        operation["security"] = []
        statuses |= {401, 403}
    if has_parameters:
        statuses.add(404)
    if declared(view, "is_idempotent"):
        statuses.add(409)
        _may_be_replayed(operation)
    body = operation.get("requestBody", {}).get("content")
    if body:
        statuses |= {408, 415}
        if declared(view, "takes_form"):
            body[FORM] = body[JSON]
    operation["responses"].pop("default", None)
    for status in sorted(statuses):
        operation["responses"][str(status)] = {
            "description": PROBLEM_RESPONSES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }


def _may_be_replayed(operation: dict[str, Any]) -> None:
    operation.setdefault("parameters", []).append(KEY_PARAMETER)
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            answer.setdefault("headers", {})[REPLAYED] = {"description": "`true` on an answer that was kept.", "schema": {"const": "true"}}


def _by_cookie(view: Any, *, is_safe: bool) -> list[dict[str, list[str]]]:
    """The ways in for a browser."""
    proof: dict[str, list[str]] = {} if is_safe else {"csrf": []}
    ways = ["cookie", "refresh_cookie"] if declared(view, "or_by_refresh_cookie") else ["cookie"]
    return [{way: []} | proof for way in ways]

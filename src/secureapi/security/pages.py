"""Pages outside the versioned API: its description, Swagger UI from local files, and `/.well-known/security.txt`."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import flask_swagger_ui
from flask import Blueprint, Response, current_app, render_template, send_from_directory
from flask_talisman import Talisman

from secureapi.core.clock import SystemClock, rfc3339
from secureapi.core.errors import NotFound
from secureapi.security.guard import public, requires
from secureapi.security.openapi import OpenApi, describe
from secureapi.security.permissions import Permission
from secureapi.settings import Settings

_SWAGGER = Path(flask_swagger_ui.__file__).parent / "dist"
_OURS = Path(__file__).parent.parent / "templates"
_ASSETS = {
    "swagger-ui.css": _SWAGGER,
    "swagger-ui-bundle.js": _SWAGGER,
    "favicon-32x32.png": _SWAGGER,
    "start.js": _OURS,
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_CONTACT_LIFETIME = timedelta(days=180)


def pages_blueprint(settings: Settings, api: OpenApi, talisman: Talisman) -> Blueprint:
    """The pages, with the access that `DOCS_ACCESS` asks for."""
    blueprint = Blueprint("pages", __name__)
    enter: Callable[[Any], Any] = requires(Permission.ADMIN_READ) if settings.docs_access == "admin" else public

    @lru_cache(maxsize=1)
    def described() -> str:
        return json.dumps(describe(current_app, api))

    def openapi() -> Response:
        """The API's description (OpenAPI 3.1)."""
        return Response(described(), content_type="application/json")

    def docs() -> Response:
        """The API's description for people."""
        return Response(render_template("docs.html", title=settings.app_name), content_type="text/html; charset=utf-8")

    def docs_asset(name: str) -> Response:
        """A file of Swagger UI: one of four, none of them personal."""
        if name not in _ASSETS:
            raise NotFound
        response = send_from_directory(_ASSETS[name], name, max_age=3600)
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response

    @blueprint.get("/.well-known/security.txt")
    @public
    def security_txt() -> Response:
        """Whom to tell about a weakness (RFC 9116)."""
        if not settings.security_contact:
            raise NotFound
        expires = rfc3339(SystemClock().now() + _CONTACT_LIFETIME)
        lines = (
            f"Contact: {settings.security_contact}",
            f"Expires: {expires}",
            "Preferred-Languages: en",
            f"Canonical: {settings.public_url}/.well-known/security.txt",
        )
        return Response("\r\n".join(lines) + "\r\n", content_type="text/plain; charset=utf-8")

    if settings.docs_access != "off":
        blueprint.get("/openapi.json")(enter(openapi))
        blueprint.get("/docs")(talisman(content_security_policy=_POLICY)(enter(docs)))
        # The files are Swagger UI's own: public in any case, since a browser cannot send a token for a script.
        blueprint.get("/docs/assets/<name>")(public(docs_asset))
    return blueprint

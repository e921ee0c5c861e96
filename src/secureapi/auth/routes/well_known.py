"""What other services may know about our tokens: the public keys (RFC 7517) and where to ask about a token (RFC 8414).

Both are public, the same for everybody, and come from memory, so that no limit protects them: whoever verifies tokens behind one
address with a hundred others must not be the one who is turned away.
"""

import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from secureapi.auth.keys import KeyRing
from secureapi.core.services import service
from secureapi.security.guard import public
from secureapi.security.limits import UNLIMITED, limited
from secureapi.settings import Settings

_KEYS = "/.well-known/jwks.json"
_METADATA = "/.well-known/oauth-authorization-server"
_CACHED = "public, max-age=300"
"""Far less than a key is published before age makes it sign (`secureapi.auth.keys.rotation.PUBLISHED_FIRST`)."""
_CLIENT_AUTHENTICATION = ["client_secret_basic", "client_secret_post"]


def well_known_blueprint(settings: Settings, *, api: str) -> Blueprint:
    """The pages, for an API that is mounted at `api`. Raises nothing: the metadata follows from the settings alone."""
    blueprint = Blueprint("well-known", __name__)
    metadata = json.dumps(_metadata_of(settings, api)).encode()
    metadata_etag = hashlib.sha256(metadata).hexdigest()[:32]

    @blueprint.get(_KEYS)
    @public
    @limited(UNLIMITED)
    def jwks() -> Response:
        """The public keys that access tokens are verified with (RFC 7517), the next one included."""
        published = service(KeyRing).published()
        return _cacheable(published.body, published.etag)

    @blueprint.get(_METADATA)
    @public
    @limited(UNLIMITED)
    def authorization_server() -> Response:
        """Who issues tokens here, and where to ask about them (RFC 8414)."""
        return _cacheable(metadata, metadata_etag)

    path = urlsplit(settings.public_url).path
    if path:
        # Of an issuer with a path the metadata lie at the root of its host, the path behind them (RFC 8414 section 3.1).
        blueprint.add_url_rule(_METADATA + path, view_func=authorization_server)
    return blueprint


def _metadata_of(settings: Settings, api: str) -> dict[str, Any]:
    """RFC 8414 section 2. No grant is offered to other programs, so that there is neither an authorization nor a token endpoint."""
    base = settings.public_url
    document: dict[str, Any] = {
        "issuer": base,
        "jwks_uri": base + _KEYS,
        "introspection_endpoint": f"{base}{api}/auth/introspect",
        "introspection_endpoint_auth_methods_supported": _CLIENT_AUTHENTICATION,
        "revocation_endpoint": f"{base}{api}/auth/revoke",
        "revocation_endpoint_auth_methods_supported": _CLIENT_AUTHENTICATION,
        "response_types_supported": [],
        "grant_types_supported": [],
    }
    if settings.docs_access != "off":
        document["service_documentation"] = f"{base}/docs"
    return document


def _cacheable(body: bytes, etag: str) -> Response:
    """The body with a strong entity tag, or 304 where the client has it already (RFC 9110 section 13.1.2)."""
    response = Response(body, content_type="application/json")
    response.headers["Cache-Control"] = _CACHED
    response.set_etag(etag)
    response.make_conditional(request)
    return response

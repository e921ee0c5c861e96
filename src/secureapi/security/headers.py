"""Security headers on every answer, errors included."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, current_app, request
from flask_talisman import Talisman

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""The policy of an API: an answer that a browser takes for a page may load, frame and send nothing at all."""
_PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"
_NOT_KEPT = "no-store"
_ALWAYS = (("Cross-Origin-Resource-Policy", "same-origin"), ("Cross-Origin-Opener-Policy", "same-origin"))


_PLACE = "secureapi.headers"
"""Where the fixed headers of an answer wait in the request's environment."""


class FixedHeaders:
    """Adds the headers that are the same on every answer of a kind, as they are, when the answer goes out.

    Put through Flask's response they would be checked and copied header by header, twice, on each request.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            # A view that says one of them itself says it alone: of two a browser takes the laxer one, or none.
            said = {name.lower() for name, _ in headers}
            headers.extend(pair for pair in environ.get(_PLACE, ()) if pair[0].lower() not in said)
            return start_response(status, headers, *rest)

        return self._application(environ, start)


class _Talisman(Talisman):  # type: ignore[misc]  # it has no types
    """Talisman, which puts the same headers together anew for every answer, made to do so once for each policy."""

    def init_app(self, app: Flask, **options: Any) -> None:
        self._made: dict[tuple[int, bool], list[tuple[str, str]]] = {}
        super().init_app(app, **options)

    def _force_https(self) -> None:
        """Nothing is redirected, so nothing has to be found out before each request."""

    def _set_response_headers(self, response: Response) -> Response:
        own = getattr(current_app.view_functions.get(request.endpoint or ""), "talisman_view_options", None)
        key = (id(own), request.is_secure)
        headers = self._made.get(key)
        if headers is None:
            blank = Response()
            before = len(blank.headers)
            headers = self._made[key] = [*list(super()._set_response_headers(blank).headers)[before:], *_ALWAYS]
        request.environ[_PLACE] = headers
        return response


def init_headers(app: Flask) -> Talisman:
    """Talisman for every answer, and what it does not do. `force_https` stays off: a redirect would hide that a token went out in
    the clear; the proxy in front closes or redirects port 80.
    """
    talisman = _Talisman(
        app,
        force_https=False,
        frame_options="DENY",
        content_security_policy=_NOTHING,
        permissions_policy=_PERMISSIONS,
        document_policy=None,
        feature_policy=None,
        referrer_policy="strict-origin-when-cross-origin",
        # Only sent over TLS. The forwarding headers that Talisman would believe were removed from untrusted peers before.
        strict_transport_security=True,
        strict_transport_security_max_age=31_536_000,
        session_cookie_secure=True,
        x_xss_protection=False,
    )

    app.wsgi_app = FixedHeaders(app.wsgi_app)  # type: ignore[method-assign]

    @app.after_request
    def _keep_out_of_caches(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Cache-Control", _NOT_KEPT)
        # What is public is the same for everybody, whoever asks.
        if "HTTP_AUTHORIZATION" in request.environ and not headers["Cache-Control"].startswith("public"):
            headers.add("Vary", "Authorization")
        return response

    return talisman

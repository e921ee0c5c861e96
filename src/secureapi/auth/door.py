"""What a request brings to prove who is calling: the one place that looks for credentials in a request."""

from flask import request

from secureapi.auth.callers import Callers
from secureapi.auth.errors import TokenMissing, TokenRefused
from secureapi.security.identity import Identity

_SCHEME = "bearer"


class Door:
    """Takes credentials from the request at hand to those who can judge them. See `secureapi.security.guard.Door`."""

    def __init__(self, *, callers: Callers) -> None:
        self._callers = callers

    def caller(self, *, or_by_refresh_cookie: bool = False) -> Identity:
        """Who is calling. Raises `Unauthenticated`."""
        return self._callers.identify(bearer_token())

    def client(self) -> str:
        """The id of the service that is calling. Raises `InvalidClient`."""
        raise TokenMissing


def bearer_token() -> str:
    """The token in the one Authorization header of the request at hand (RFC 6750 section 2.1). Raises `Unauthenticated`.

    Nowhere else is looked: a token in a query string ends up in logs, and one that came twice could be read differently by a
    proxy in front.
    """
    value = request.headers.get("Authorization")
    if value is None:
        raise TokenMissing
    scheme, _, token = value.partition(" ")
    if scheme.lower() != _SCHEME or not token or "," in value:
        raise TokenRefused
    return token

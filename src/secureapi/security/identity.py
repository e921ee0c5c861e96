"""Who is calling, as a value that the rest of the request can rely on."""

from dataclasses import dataclass
from typing import cast

from flask import g

from secureapi.core.errors import Unauthenticated
from secureapi.security.permissions import Permission


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller whose token, session and account were all found to be good on this request."""

    user_id: str
    session_id: str
    """Empty for a program with an API key, which has no session."""
    role: str
    permissions: frozenset[Permission]
    token_id: str
    """The `jti` of the access token."""
    authenticated_at: int
    """When somebody last proved who he is (`auth_time`), in seconds since the epoch: not when the token was refreshed."""
    methods: tuple[str, ...]
    """How he proved it (`amr`, RFC 8176)."""

    key_id: str | None = None
    """The API key that a program has shown. It has only those permissions of its owner that are among its scopes."""
    comes_by_cookie: bool = False
    """Whether a browser sent the token by itself, so that answers go back the same way."""

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions


def current_identity() -> Identity:
    """The caller. Raises `Unauthenticated` where the endpoint let strangers in and one came."""
    identity = g.get("identity")
    if identity is None:
        raise Unauthenticated
    return cast("Identity", identity)

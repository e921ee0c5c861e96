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
    role: str
    permissions: frozenset[Permission]
    token_id: str
    """The `jti` of the access token."""
    authenticated_at: int
    """When somebody last proved who he is (`auth_time`), in seconds since the epoch: not when the token was refreshed."""
    methods: tuple[str, ...]
    """How he proved it (`amr`, RFC 8176)."""

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

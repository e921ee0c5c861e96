"""What other services may ask about our tokens: whether one is good at this moment (RFC 7662), and that one be good no more (RFC 7009).

The database is asked each time and no copy is believed. Asking changes nothing: a refresh token is not exchanged, a session is not
prolonged, an API key is not used, and no budget of the owner's is spent.
"""

import hmac
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from secureapi.auth import events
from secureapi.auth.access_tokens import AccessTokens, Claims
from secureapi.auth.api_key_callers import ApiKeyCallers
from secureapi.auth.api_key_values import PREFIX as API_KEY
from secureapi.auth.callers import Callers
from secureapi.auth.errors import NoSuchApiKey, NotAnApiKey, RefreshRefused, TokenRefused
from secureapi.auth.refresh_tokens import PREFIX, RefreshToken, RefreshTokens
from secureapi.auth.repository import SessionRepository, find_presented
from secureapi.auth.service.api_keys import ApiKeys
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.trail import Trail
from secureapi.settings import Settings
from secureapi.users.models import Status

_CLIENT_ID = "secureapi"
"""The `client_id` for which all of our tokens are issued: the first party."""


class Introspection:
    """Answers for tokens."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        clock: Clock,
        trail: Trail,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
        callers: Callers,
        api_keys: ApiKeyCallers,
        own_keys: ApiKeys,
    ) -> None:
        self._issuer = settings.public_url
        self._audience = settings.token_audience
        self._database = database
        self._clock = clock
        self._trail = trail
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._callers = callers
        self._api_keys = api_keys
        self._own_keys = own_keys

    def introspect(self, token: str, *, address: str = "") -> dict[str, Any]:
        """The members of RFC 7662 section 2.2 for a token that would be accepted now; for any other only that it is not active.

        Why not is told to nobody: a client could otherwise learn about accounts that never came to it. `address` is where the token
        came from, if the client says so: an API key that is bound to networks is good from nowhere else.
        """
        if token.startswith(API_KEY):
            return self._about_api_key(token, address) or {"active": False}
        read = self._read(token)
        if read is None:
            return {"active": False}
        with self._database.reading() as connection:
            state = find_presented(connection, read.session_id)
        if state is None or not self._is_alive(state):
            return {"active": False}
        about = self._about_refresh_token(read, state) if isinstance(read, RefreshToken) else self._about_access_token(read, state)
        return about or {"active": False}

    def revoke(self, token: str, *, client_id: str, client: Client) -> None:
        """End the session that a token of ours belongs to, and with it every token of that session, for a client that asks for it.

        An API key is revoked as one that leaked, and its owner is told: a service that wants it ended has found it somewhere.

        A refresh token that was exchanged long ago counts too: nobody but its holders ever knew it. Whatever is no token of ours, or
        an access token that is over, does nothing, and the client is not told (RFC 7009 section 2.2).
        """
        if token.startswith(API_KEY):
            with suppress(NotAnApiKey, NoSuchApiKey):
                self._own_keys.revoke_leaked(value=token, client_id=client_id, client=client)
            return
        read = self._read(token)
        if read is None:
            return
        with self._database.transaction(client) as session:
            sessions = SessionRepository(session)
            family = sessions.find(read.session_id)
            if family is None or (isinstance(read, Claims) and read.user_id != family.user_id):
                return
            owner = family.user_id
            if sessions.end_one_of(owner, family.id, reason="client", now=self._clock.now()):
                self._trail.record(
                    session, events.SESSION_REVOKED, client=client, subject_id=owner, session_id=family.id, client_id=client_id
                )
        # Even when it had ended before: whoever ended it may not have come to tell the others yet.
        self._callers.session_ended(owner, family.id)

    def _read(self, token: str) -> Claims | RefreshToken | None:
        """What a token is, by its own shape: `token_type_hint` could only be wrong. None for one that we did not make, or that is over."""
        try:
            return self._refresh_tokens.read(token) if token.startswith(PREFIX) else self._access_tokens.read(token)
        except (RefreshRefused, TokenRefused):
            return None

    def _is_alive(self, state: Row[Any]) -> bool:
        return state.status == Status.ACTIVE and state.ended_at is None and _end_of(state) > self._clock.now()

    def _about_api_key(self, value: str, address: str) -> dict[str, Any] | None:
        key = self._api_keys.look(value, address=address)
        if key is None:
            return None
        # Not the role: a service that looked at it would let the key do what its owner may.
        return {
            "active": True,
            "token_type": "api_key",
            "client_id": _CLIENT_ID,
            "sub": key.user_id,
            "username": key.username,
            "scope": " ".join(sorted(key.permissions)),
            "exp": int(key.until.timestamp()),
            "jti": key.id,
        }

    def _about_access_token(self, claims: Claims, state: Row[Any]) -> dict[str, Any] | None:
        expires_at = min(claims.expires_at, int(_end_of(state).timestamp()))
        # No leeway here, which is for clocks that differ: who asks about a token that is over is told so.
        if state.user_id != claims.user_id or state.role != claims.role or expires_at <= self._clock.now().timestamp():
            return None
        return {
            "active": True,
            "token_type": "Bearer",
            "client_id": _CLIENT_ID,
            "sub": claims.user_id,
            "username": state.username,
            "iss": self._issuer,
            "aud": self._audience,
            "exp": expires_at,
            "iat": claims.issued_at,
            "nbf": claims.not_before,
            "jti": claims.token_id,
            "sid": claims.session_id,
            "role": claims.role,
            "auth_time": claims.authenticated_at,
            "amr": list(claims.methods),
        }

    def _about_refresh_token(self, token: RefreshToken, state: Row[Any]) -> dict[str, Any] | None:
        # The one before it is doubtful, inside the grace too: it may be a thief's.
        if not hmac.compare_digest(token.hash, state.token_hash):
            return None
        return {
            "active": True,
            "token_type": "refresh_token",
            "client_id": _CLIENT_ID,
            "sub": state.user_id,
            "sid": token.session_id,
            "exp": int(_end_of(state).timestamp()),
        }


def _end_of(state: Row[Any]) -> datetime:
    until: datetime = min(state.expires_at, state.idle_expires_at)
    return until

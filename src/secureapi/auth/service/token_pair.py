"""What somebody holds after signing in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from secureapi.auth.access_tokens import AccessTokens
from secureapi.auth.refresh_tokens import RefreshToken
from secureapi.core.clock import Clock
from secureapi.settings import Settings


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token and the refresh token that gets the next one (RFC 6749 section 5.1)."""

    access_token: str
    refresh_token: str
    expires_in: int
    """Seconds for which the access token is good."""
    refresh_expires_in: int
    """Seconds for which the refresh token is good if it is not used."""
    session_id: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name

    def __repr__(self) -> str:
        return "<TokenPair>"


@dataclass(frozen=True, slots=True)
class FreshToken:
    """An access token without a new refresh token."""

    access_token: str
    expires_in: int
    """Seconds for which it is good."""
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name

    def __repr__(self) -> str:
        return "<FreshToken>"


class TokenPairs:
    """Makes pairs out of sessions."""

    def __init__(self, *, settings: Settings, clock: Clock, access_tokens: AccessTokens) -> None:
        self._lifetime = int(settings.access_token_lifetime.total_seconds())
        self._clock = clock
        self._access_tokens = access_tokens

    def of(self, session: Any, *, user_id: str, role: str, token: RefreshToken, authenticated_at: datetime | None = None) -> TokenPair:
        """The pair of a session, which is a row or an object with `authenticated_at`, `methods`, `expires_at`, `idle_expires_at`.

        `authenticated_at` stands in for the session's own.
        """
        until: datetime = min(session.expires_at, session.idle_expires_at)
        return TokenPair(
            access_token=self._access_tokens.issue(
                user_id=user_id,
                session_id=token.session_id,
                role=role,
                authenticated_at=authenticated_at or session.authenticated_at,
                methods=session.methods,
            ),
            refresh_token=str(token),
            expires_in=self._lifetime,
            refresh_expires_in=max(0, int((until - self._clock.now()).total_seconds())),
            session_id=token.session_id,
        )

    def access_of(self, session: Any, *, user_id: str, role: str) -> FreshToken:
        """One more access token of a session, with its `authenticated_at` as it is now."""
        token = self._access_tokens.issue(
            user_id=user_id, session_id=session.id, role=role, authenticated_at=session.authenticated_at, methods=session.methods
        )
        return FreshToken(token, self._lifetime)

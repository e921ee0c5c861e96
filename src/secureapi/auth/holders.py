"""Who holds a refresh token: for signing out when the access token is over. Nothing is exchanged and nothing is recorded here."""

from datetime import datetime, timedelta
from typing import Any

from secureapi.auth.errors import RefreshRefused
from secureapi.auth.refresh_tokens import RefreshToken, RefreshTokens, is_lost_answer
from secureapi.auth.repository import find_holder
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.security.identity import Identity
from secureapi.settings import Settings
from secureapi.users.models import Status


class Holders:
    """Identifies them, by one look at the database."""

    def __init__(self, *, settings: Settings, database: Database, clock: Clock, refresh_tokens: RefreshTokens) -> None:
        self._grace = timedelta(seconds=settings.refresh_reuse_grace_seconds)
        self._database = database
        self._clock = clock
        self._refresh_tokens = refresh_tokens

    def session_of(self, text: str) -> str | None:
        """The id of the session that a token was made for, whether or not it is still good; None for one that we never made."""
        try:
            return self._refresh_tokens.read(text).session_id
        except RefreshRefused:
            return None

    def identify(self, text: str) -> Identity:
        """Who holds this token, without any permission. Raises `RefreshRefused`.

        It must be the newest of a living session, or inside the grace the one before it. Whoever comes with an older one is not let
        in, and not reported either: that happens when he tries to exchange it.
        """
        token = self._refresh_tokens.read(text)
        now = self._clock.now()
        with self._database.reading() as connection:
            row = find_holder(connection, token.session_id)
        if row is None or row.status != Status.ACTIVE or not _is_alive(row, now) or not self._is_good(row, token, now):
            raise RefreshRefused
        return Identity(
            user_id=row.user_id,
            session_id=token.session_id,
            role=row.role,
            permissions=frozenset(),
            token_id="",
            authenticated_at=int(row.authenticated_at.timestamp()),
            methods=tuple(row.methods.split()),
            comes_by_cookie=True,
        )

    def _is_good(self, row: Any, token: RefreshToken, now: datetime) -> bool:
        if row.token_hash == token.hash:
            return True
        return row.previous_hash == token.hash and is_lost_answer(row.rotated_at, now, self._grace)


def _is_alive(row: Any, now: datetime) -> bool:
    return row.ended_at is None and min(row.expires_at, row.idle_expires_at) > now

"""Sessions after they were opened: rotating their refresh token, and ending them."""

from datetime import datetime, timedelta
from typing import Any

from secureapi.auth import events
from secureapi.auth.callers import Callers
from secureapi.auth.errors import RefreshRefused, RefreshReused
from secureapi.auth.models import UserSession
from secureapi.auth.refresh_tokens import RefreshToken, RefreshTokens, is_lost_answer
from secureapi.auth.repository import ROTATE_AND_NOTE, Rotation, SessionRepository, rotate
from secureapi.auth.service.token_pair import TokenPair, TokenPairs
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Unauthenticated
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.security.events import EventType
from secureapi.security.identity import Identity
from secureapi.security.trail import Trail, about
from secureapi.settings import Settings
from secureapi.users.models import User
from secureapi.users.repository import UserRepository


class Sessions:
    """Rotates and ends."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        clock: Clock,
        trail: Trail,
        outbox: Outbox,
        refresh_tokens: RefreshTokens,
        token_pairs: TokenPairs,
        callers: Callers,
    ) -> None:
        self._lifetime = settings.refresh_token_lifetime
        self._grace = timedelta(seconds=settings.refresh_reuse_grace_seconds)
        self._database = database
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._refresh_tokens = refresh_tokens
        self._token_pairs = token_pairs
        self._callers = callers

    def refresh(self, *, refresh_token: str, client: Client) -> TokenPair:
        """Exchange a refresh token for its successor and a new access token.

        Raises `RefreshRefused`; and `RefreshReused` for a token that was used before, after its whole family was closed.
        """
        try:
            token = self._refresh_tokens.read(refresh_token)
        except RefreshRefused:
            with self._database.writing() as connection:
                self._trail.record(connection, events.REFRESH_REFUSED, client=client, reason="not_ours")
            raise
        successor = self._refresh_tokens.successor(token)
        now = self._clock.now()
        rotated = self._rotate(Rotation(token.session_id, token.hash, successor.hash, now, now + self._lifetime), client)
        if rotated is None:
            return self._repeat_or_refuse(token, successor, client)
        return self._token_pairs.of(rotated, user_id=rotated.user_id, role=rotated.role, token=successor)

    def _rotate(self, wanted: Rotation, client: Client) -> Any | None:
        """Move a family on and leave the event, both or neither. None when this token is not the good one."""
        if self._database.writes_at_once:
            return self._database.run(ROTATE_AND_NOTE, **wanted.values(), **about(client, wanted.now))
        with self._database.writing() as connection:
            rotated = rotate(connection, wanted)
            if rotated is not None:
                owner: str = rotated.user_id
                self._trail.record(connection, events.REFRESHED, client=client, actor=owner, subject_id=owner, session_id=wanted.session_id)
        return rotated

    def _repeat_or_refuse(self, token: RefreshToken, successor: RefreshToken, client: Client) -> TokenPair:
        """What becomes of a token that is ours and not the good one: inside the grace its successor is given again."""
        with self._database.transaction(client) as session:
            family = SessionRepository(session).find(token.session_id, lock=True)
            if family is None:
                raise RefreshRefused
            user = UserRepository(session).get(family.user_id)
            now = self._clock.now()
            refusal = self._refusal(family, user, token, now)
            if isinstance(refusal, RefreshReused):
                SessionRepository(session).end(family.id, reason="reuse", now=now)
                self._outbox.add(session, "notice.refresh_reused", user_id=user.id, session_id=family.id, address=client.address)
            self._trail.record(session, _happened(refusal), client=client, subject_id=user.id, session_id=family.id)
        if isinstance(refusal, RefreshReused):
            self._callers.session_ended(user.id, family.id)
        if refusal:
            raise refusal
        # Two may know this token. Whoever repeats it gets no part in what the owner has proved since he signed in.
        return self._token_pairs.of(family, user_id=user.id, role=user.role, token=successor, authenticated_at=family.created_at)

    def _refusal(self, family: UserSession, user: User, token: RefreshToken, now: datetime) -> Unauthenticated | None:
        """Why the token is refused; None inside the grace."""
        if not user.is_active_at(now) or family.ended_at is not None or min(family.expires_at, family.idle_expires_at) <= now:
            return RefreshRefused()
        if family.token_hash == token.hash:
            # The good one after all: what stood in its way a moment ago is gone. Trying again will do.
            return RefreshRefused()
        if family.previous_hash == token.hash and is_lost_answer(family.rotated_at, now, self._grace):
            return None
        return RefreshReused()

    def log_out(self, *, caller: Identity, client: Client) -> None:
        """End the caller's own session. When this returns, its access token is refused everywhere."""
        with self._database.transaction(client) as session:
            SessionRepository(session).end(caller.session_id, reason="logout", now=self._clock.now())
            self._trail.record(session, events.LOGGED_OUT, client=client, actor=caller, subject_id=caller.user_id)
        self._callers.session_ended(caller.user_id, caller.session_id)

    def log_out_everywhere(self, *, caller: Identity, client: Client) -> int:
        """End all of the caller's sessions, this one too. How many they were."""
        with self._database.transaction(client) as session:
            ended = SessionRepository(session).end_all_of(caller.user_id, reason="logout_all", now=self._clock.now())
            self._trail.record(session, events.LOGGED_OUT_EVERYWHERE, client=client, actor=caller, subject_id=caller.user_id, ended=ended)
        self._callers.user_changed(caller.user_id)
        return ended


def _happened(refusal: Unauthenticated | None) -> EventType:
    if refusal is None:
        return events.REFRESH_REPEATED
    return events.REFRESH_REUSED if isinstance(refusal, RefreshReused) else events.REFRESH_REFUSED

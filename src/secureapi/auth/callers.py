"""Who is calling, on every request: the token, then its session and its owner as they are now."""

from contextlib import suppress

import structlog

from secureapi.auth.access_tokens import AccessTokens, Claims
from secureapi.auth.errors import TokenRefused
from secureapi.auth.known_callers import Budget, KnownCallers, Sighting
from secureapi.auth.repository import STATE
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.redis import RedisAway
from secureapi.security.identity import Identity
from secureapi.security.limits import GENERAL, Limits, Spent
from secureapi.users.custom_roles import permissions_now
from secureapi.users.models import Status

_log = structlog.get_logger(__name__)


class Callers:
    """Identifies callers, and makes revocations known."""

    def __init__(self, *, database: Database, clock: Clock, tokens: AccessTokens, limits: Limits, known: KnownCallers | None) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._limits = limits
        self._known = known

    def identify(self, token: str) -> Identity:
        """The caller who holds this access token. Raises `TokenRefused`, and `RateLimited` when his budget is used up.

        The session is asked every time: in Redis, where one exchange also counts the request, or by one indexed query.
        """
        claims = self._tokens.read(token)
        sighting = None
        if self._known:
            try:
                sighting = self._known.look(claims.user_id, claims.session_id)
            except RedisAway:
                _log.debug("callers.without_redis")
        if sighting is None:
            role = self._role_now(claims, None)
            # Redis was just found away: waiting for it once more would double what the caller waits.
            self._limits.spend(GENERAL, f"session:{claims.session_id}", alone=self._known is not None)
            return self._identity(claims, role)
        if sighting.has_ended or sighting.budget is None:
            raise TokenRefused
        self._note(sighting.budget)
        return self._identity(claims, sighting.role or self._role_now(claims, sighting))

    def session_ended(self, user_id: str, session_id: str) -> None:
        """Make the end of a session known to every worker, after it was committed and before it is answered. May hold, or `Unavailable`."""
        if self._known:
            self._known.end(user_id, session_id)

    def user_changed(self, user_id: str) -> None:
        """Make it known that something about a user or his sessions has changed, likewise."""
        if self._known:
            self._known.change(user_id)

    def _role_now(self, claims: Claims, sighting: Sighting | None) -> str:
        """The role of the owner of a living session, from the database. Raises `TokenRefused`."""
        state = self._database.run(STATE, session_id=claims.session_id)
        if state is None or state.user_id != claims.user_id or state.ended_at is not None or state.status != Status.ACTIVE:
            if self._known and sighting:
                # So that a token that is dead for long does not cost a query, and its owner's budget, each time.
                with suppress(RedisAway):
                    self._known.remember_end(claims.user_id, claims.session_id)
            raise TokenRefused
        until = min(state.expires_at, state.idle_expires_at)
        if until <= self._clock.now():
            raise TokenRefused
        if self._known and sighting:
            try:
                self._known.keep(claims.user_id, claims.session_id, sighting=sighting, role=state.role, until=until.timestamp())
            except RedisAway:
                _log.debug("callers.not_kept")
        role: str = state.role
        return role

    def _note(self, budget: Budget) -> None:
        self._limits.note(Spent(GENERAL, self._limits.rate(GENERAL), budget.remaining, budget.resets_in, is_exceeded=budget.is_exceeded))

    def _identity(self, claims: Claims, role: str) -> Identity:
        """The identity, unless the role was changed after the token was issued: what it says would then be wrong."""
        if role != claims.role:
            raise TokenRefused
        return Identity(
            user_id=claims.user_id,
            session_id=claims.session_id,
            role=role,
            permissions=permissions_now(self._database, role),
            token_id=claims.token_id,
            authenticated_at=claims.authenticated_at,
            methods=claims.methods,
        )

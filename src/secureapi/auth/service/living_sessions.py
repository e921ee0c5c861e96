"""Sessions that are going on, as their owner and administrators see them, and ending them from elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from secureapi.auth import events
from secureapi.auth.callers import Callers
from secureapi.auth.devices import device_of
from secureapi.auth.errors import NoSuchSession
from secureapi.auth.repository import SessionRepository, list_living
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.identity import Identity
from secureapi.security.permissions import Permission
from secureapi.security.trail import Trail
from secureapi.users.repository import UserRepository
from secureapi.users.service.authority import Authority

_NEEDED = (Permission.USERS_WRITE, Permission.ADMIN_WRITE)
"""To end what is somebody else's."""


@dataclass(frozen=True, slots=True)
class LivingSession:
    """A session that is going on."""

    id: str
    device: str
    """What its device said it was when somebody signed in, in a few words."""
    address: str
    """Where it was opened from."""
    created_at: datetime
    last_used_at: datetime
    """The last refresh, or the sign-in."""
    expires_at: datetime
    """When it ends if it is not used before, or else at the latest."""
    is_current: bool
    """Whether it is the session of whoever asks."""


class LivingSessions:
    """Lists and ends. `caller` is None for the command line of the server.

    Whatever ends here is committed, then made known to every worker, and only then answered.
    """

    def __init__(self, *, database: Database, clock: Clock, trail: Trail, authority: Authority, callers: Callers) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._authority = authority
        self._callers = callers

    def mine(self, *, caller: Identity) -> list[LivingSession]:
        """The caller's own, last used first."""
        with self._database.reading() as connection:
            rows = list_living(connection, caller.user_id, self._clock.now())
        return [_shown(row, caller) for row in rows]

    def end_mine(self, *, session_id: str, caller: Identity, client: Client) -> None:
        """End one of the caller's own; ending the current one is signing out. Raises `NoSuchSession`.

        Somebody else's, one that is over and one that never was are the same to him.
        """
        is_current = session_id == caller.session_id
        happened, reason = (events.LOGGED_OUT, "logout") if is_current else (events.SESSION_REVOKED, "revoked")
        with self._database.transaction(client) as session:
            was_living = SessionRepository(session).end_one_of(caller.user_id, session_id, reason=reason, now=self._clock.now())
            if was_living:
                self._trail.record(session, happened, client=client, actor=caller, subject_id=caller.user_id, session_id=session_id)
        self._announce_end(caller.user_id, session_id, was_living=was_living)

    def end_my_others(self, *, caller: Identity, client: Client) -> int:
        """End all of the caller's own but the one that he asks with. How many they were."""
        with self._database.transaction(client) as session:
            ended = SessionRepository(session).end_all_of(
                caller.user_id, reason="revoked", now=self._clock.now(), except_id=caller.session_id
            )
            self._trail.record(session, events.SESSIONS_REVOKED, client=client, actor=caller, subject_id=caller.user_id, ended=ended)
        self._callers.user_changed(caller.user_id)
        return ended

    def of(self, *, user_id: str, caller: Identity | None, client: Client) -> list[LivingSession]:
        """Somebody's, for administrators. Leaves an event. Raises `NoSuchUser`."""
        with self._database.transaction(client) as session:
            UserRepository(session).get(user_id)
            rows = list_living(session.connection(), user_id, self._clock.now())
            self._trail.record(session, events.SESSIONS_READ, client=client, actor=caller, subject_id=user_id, count=len(rows))
        return [_shown(row, caller) for row in rows]

    def end_one_of(self, *, user_id: str, session_id: str, caller: Identity | None, client: Client) -> None:
        """End one of somebody's, for administrators. Raises `NoSuchUser`, `HigherRank`, `NoSuchSession`."""
        with self._authority.over(user_id, act="end-session", needs=_NEEDED, caller=caller, client=client) as case:
            session = case.session
            was_living = SessionRepository(session).end_one_of(user_id, session_id, reason="administrator", now=self._clock.now())
            if was_living:
                self._trail.record(session, events.SESSION_REVOKED, client=client, actor=caller, subject_id=user_id, session_id=session_id)
        self._announce_end(user_id, session_id, was_living=was_living)

    def end_all_of(self, *, user_id: str, caller: Identity | None, client: Client) -> int:
        """End all of somebody's, for administrators: his own current one too, if it is himself. How many they were.

        Raises `NoSuchUser`, `HigherRank`.
        """
        with self._authority.over(user_id, act="end-sessions", needs=_NEEDED, caller=caller, client=client) as case:
            session = case.session
            ended = SessionRepository(session).end_all_of(user_id, reason="administrator", now=self._clock.now())
            self._trail.record(session, events.SESSIONS_REVOKED, client=client, actor=caller, subject_id=user_id, ended=ended)
        self._callers.user_changed(user_id)
        return ended

    def _announce_end(self, user_id: str, session_id: str, *, was_living: bool) -> None:
        """To every worker, and to the caller where there was nothing to end. Called when all is committed.

        Even when it had ended before: whoever ended it may not have come to tell the others yet.
        """
        self._callers.session_ended(user_id, session_id)
        if not was_living:
            raise NoSuchSession


def _shown(row: Row[Any], caller: Identity | None) -> LivingSession:
    return LivingSession(
        id=row.id,
        device=device_of(row.user_agent),
        address=row.address,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=min(row.expires_at, row.idle_expires_at),
        is_current=caller is not None and row.id == caller.session_id,
    )

"""Every query on sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, case, exists, func, or_, select, update
from sqlalchemy.orm import Session

from secureapi.auth.events import REFRESHED
from secureapi.auth.models import UserSession
from secureapi.core.database import table_of
from secureapi.core.statements import Statement
from secureapi.security.trail import noted
from secureapi.users.models import Status, User

_S = table_of(UserSession).c
_U = table_of(User).c

_STATE: Select[Any] = (
    select(_S.user_id, _S.ended_at, _S.expires_at, _S.idle_expires_at, _U.role, _U.status)
    .join_from(table_of(UserSession), table_of(User), _U.id == _S.user_id)
    .where(_S.id == bindparam("session_id"))
)
_PRESENTED: Select[Any] = (
    select(_S.user_id, _S.ended_at, _S.expires_at, _S.idle_expires_at, _S.token_hash, _U.role, _U.status, _U.username)
    .join_from(table_of(UserSession), table_of(User), _U.id == _S.user_id)
    .where(_S.id == bindparam("session_id"))
)
_going = and_(_S.ended_at.is_(None), _S.expires_at > bindparam("now"), _S.idle_expires_at > bindparam("now"))
_LIVING: Select[Any] = (
    select(_S.id, _S.address, _S.user_agent, _S.created_at, _S.last_used_at, _S.expires_at, _S.idle_expires_at)
    .where(_S.user_id == bindparam("user_id"), _going)
    .order_by(_S.last_used_at.desc(), _S.id.desc())
)
_surplus = (
    select(_S.id)
    .where(_S.user_id == bindparam("owner_id"), _going)
    .order_by(_S.created_at.desc(), _S.id.desc())
    .offset(bindparam("kept"))
    .scalar_subquery()
)
_is_over = or_(_S.expires_at <= bindparam("now"), _S.idle_expires_at <= bindparam("now"))
_MAKE_ROOM = (
    update(table_of(UserSession))
    .where(_S.user_id == bindparam("owner_id"), _S.ended_at.is_(None), or_(_is_over, _S.id.in_(_surplus)))
    .values(ended_at=bindparam("now"), end_reason=case((_is_over, "expired"), else_="displaced"))
    .returning(_S.id, _S.end_reason)
)
_now, _idle_until = bindparam("now", type_=_S.rotated_at.type), bindparam("idle_until", type_=_S.idle_expires_at.type)
_is_good = and_(
    _S.id == bindparam("session_id"),
    _S.token_hash == bindparam("old_hash"),
    _S.ended_at.is_(None),
    _S.expires_at > _now,
    _S.idle_expires_at > _now,
)
_moved_on: dict[str, Any] = {
    "token_hash": bindparam("new_hash", type_=_S.token_hash.type),
    "previous_hash": _S.token_hash,
    "rotated_at": _now,
    "generation": _S.generation + 1,
    "last_used_at": _now,
    "idle_expires_at": case((_S.expires_at < _idle_until, _S.expires_at), else_=_idle_until),
}
_told = (_S.user_id, _S.authenticated_at, _S.methods, _S.expires_at, _S.idle_expires_at)
_owner_is_active = and_(_U.id == _S.user_id, _U.status == Status.ACTIVE.value)
_ROTATE = (
    update(table_of(UserSession))
    .where(_is_good, exists().where(_owner_is_active))
    .values(_moved_on)
    .returning(*_told, select(_U.role).where(_U.id == _S.user_id).scalar_subquery().label("role"))
)

STATE = Statement(_STATE)
"""What decides whether a caller is let in, by one look at two primary keys. Takes `session_id`."""

# The same with a join, which SQLite's RETURNING cannot look into.
_rotated = update(table_of(UserSession)).where(_is_good, _owner_is_active).values(_moved_on).returning(*_told, _U.role).cte("rotated")
_owner, _family = _rotated.c.user_id, bindparam("session_id", type_=_S.id.type)
_event = noted(REFRESHED, _rotated, actor_id=_owner, subject_id=_owner, session_id=_family)
ROTATE_AND_NOTE = Statement(select(_rotated).add_cte(_event))
"""A rotation and its event in one statement, for PostgreSQL. Takes what `Rotation` has, and `trail.about(...)`."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation needs: which token, its successor, and until when the session may now lie unused."""

    session_id: str
    old_hash: bytes
    new_hash: bytes
    now: datetime
    idle_until: datetime

    def values(self) -> dict[str, Any]:
        """By name, for the statement."""
        return {
            "session_id": self.session_id,
            "old_hash": self.old_hash,
            "new_hash": self.new_hash,
            "now": self.now,
            "idle_until": self.idle_until,
        }


def find_presented(connection: Connection, session_id: str) -> Row[Any] | None:
    """What decides whether a token that somebody else presents is good, and whose it is."""
    row: Row[Any] | None = connection.execute(_PRESENTED, {"session_id": session_id}).one_or_none()
    return row


def list_living(connection: Connection, user_id: str, now: datetime) -> Sequence[Row[Any]]:
    """The sessions of a user that are going on, last used first. MAX_SESSIONS_PER_USER bounds them."""
    return connection.execute(_LIVING, {"user_id": user_id, "now": now}).all()


def rotate(connection: Connection, wanted: Rotation) -> Row[Any] | None:
    """Move a family on, if this token is the good one and everything else is in order: one compare-and-set statement.

    Of any number of simultaneous calls with one token exactly one gets a row back.
    """
    return connection.execute(_ROTATE, wanted.values()).one_or_none()


def count_sessions(connection: Connection, now: datetime) -> int:
    """How many sessions are going on."""
    going = select(func.count()).where(_S.ended_at.is_(None), _S.expires_at > now, _S.idle_expires_at > now)
    return connection.execute(going).scalar_one()


class SessionRepository:
    """Sessions inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, new: UserSession) -> None:
        self._session.add(new)
        self._session.flush()

    def find(self, session_id: str, *, lock: bool = False) -> UserSession | None:
        statement = select(UserSession).where(_S.id == session_id)
        return self._session.scalars(statement.with_for_update() if lock else statement).one_or_none()

    def find_living(self, session_id: str, *, now: datetime) -> UserSession | None:
        """A session that is still going on, locked: nobody ends it until this transaction does."""
        found = self.find(session_id, lock=True)
        if found is None or found.ended_at is not None or min(found.expires_at, found.idle_expires_at) <= now:
            return None
        return found

    def end(self, session_id: str, *, reason: str, now: datetime) -> bool:
        """End one session. Whether it was still going."""
        ended = self._session.connection().execute(
            update(table_of(UserSession)).where(_S.id == session_id, _S.ended_at.is_(None)).values(ended_at=now, end_reason=reason)
        )
        return ended.rowcount == 1

    def end_one_of(self, user_id: str, session_id: str, *, reason: str, now: datetime) -> bool:
        """End one session of this user. Whether there was such a one that was going on."""
        return self._end(reason, now, _S.user_id == user_id, _S.id == session_id) == 1

    def end_all_of(self, user_id: str, *, reason: str, now: datetime, except_id: str | None = None) -> int:
        """End every session of a user but one. How many were still going."""
        return self._end(reason, now, _S.user_id == user_id, *([_S.id != except_id] if except_id else []))

    def _end(self, reason: str, now: datetime, *which: ColumnElement[bool]) -> int:
        """Those that look expired end too, uncounted: a host whose clock is behind would still take them for alive."""
        statement = update(table_of(UserSession)).where(*which, _S.ended_at.is_(None)).values(ended_at=now, end_reason=reason)
        ended = self._session.connection().execute(statement.returning(_S.expires_at, _S.idle_expires_at)).all()
        return sum(min(row.expires_at, row.idle_expires_at) > now for row in ended)

    def make_room(self, user_id: str, *, most: int, now: datetime) -> list[str]:
        """End the oldest sessions of a user so that one more may begin without there being more than `most`. Which they were.

        Only right while the user's row is locked. Those that expired by themselves are closed on the way, so that what has to be
        looked through for one user does not grow with the years.
        """
        ended = self._session.connection().execute(_MAKE_ROOM, {"owner_id": user_id, "kept": most - 1, "now": now}).all()
        return sorted(row.id for row in ended if row.end_reason == "displaced")

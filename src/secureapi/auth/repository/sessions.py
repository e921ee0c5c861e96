"""Every query on sessions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, case, exists, func, select, update
from sqlalchemy.orm import Session

from secureapi.auth.models import UserSession
from secureapi.core.database import table_of
from secureapi.users.models import Status, User

_S = table_of(UserSession).c
_U = table_of(User).c

_STATE: Select[Any] = (
    select(_S.user_id, _S.ended_at, _S.expires_at, _S.idle_expires_at, _U.role, _U.status)
    .join_from(table_of(UserSession), table_of(User), _U.id == _S.user_id)
    .where(_S.id == bindparam("session_id"))
)
_role_of_owner = select(_U.role).where(_U.id == _S.user_id).scalar_subquery()
_owner_is_active = exists().where(and_(_U.id == _S.user_id, _U.status == Status.ACTIVE.value))
_ROTATE = (
    update(table_of(UserSession))
    .where(
        _S.id == bindparam("session_id"),
        _S.token_hash == bindparam("old_hash"),
        _S.ended_at.is_(None),
        _S.expires_at > bindparam("now"),
        _S.idle_expires_at > bindparam("now"),
        _owner_is_active,
    )
    .values(
        token_hash=bindparam("new_hash"),
        previous_hash=_S.token_hash,
        rotated_at=bindparam("now"),
        generation=_S.generation + 1,
        last_used_at=bindparam("now"),
        idle_expires_at=case((_S.expires_at < bindparam("idle_until"), _S.expires_at), else_=bindparam("idle_until")),
    )
    .returning(_S.user_id, _S.authenticated_at, _S.methods, _S.expires_at, _S.idle_expires_at, _role_of_owner.label("role"))
)


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation needs: which token, its successor, and until when the session may now lie unused."""

    session_id: str
    old_hash: bytes
    new_hash: bytes
    now: datetime
    idle_until: datetime


def find_state(connection: Connection, session_id: str) -> Row[Any] | None:
    """What decides whether a caller is let in, by one look at two primary keys."""
    row: Row[Any] | None = connection.execute(_STATE, {"session_id": session_id}).one_or_none()
    return row


def rotate(connection: Connection, wanted: Rotation) -> Row[Any] | None:
    """Move a family on, if this token is the good one and everything else is in order: one compare-and-set statement.

    Of any number of simultaneous calls with one token exactly one gets a row back.
    """
    return connection.execute(
        _ROTATE,
        {
            "session_id": wanted.session_id,
            "old_hash": wanted.old_hash,
            "new_hash": wanted.new_hash,
            "now": wanted.now,
            "idle_until": wanted.idle_until,
        },
    ).one_or_none()


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

    def end(self, session_id: str, *, reason: str, now: datetime) -> bool:
        """End one session. Whether it was still going."""
        ended = self._session.connection().execute(
            update(table_of(UserSession)).where(_S.id == session_id, _S.ended_at.is_(None)).values(ended_at=now, end_reason=reason)
        )
        return ended.rowcount == 1

    def end_all_of(self, user_id: str, *, reason: str, now: datetime, except_id: str | None = None) -> int:
        """End every session of a user but one. How many were still going."""
        statement = update(table_of(UserSession)).where(_S.user_id == user_id, _S.ended_at.is_(None))
        if except_id:
            statement = statement.where(_S.id != except_id)
        return self._session.connection().execute(statement.values(ended_at=now, end_reason=reason)).rowcount

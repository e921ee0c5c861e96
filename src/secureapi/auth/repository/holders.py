"""The query on who holds a refresh token."""

from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select

from secureapi.auth.models import UserSession
from secureapi.core.database import table_of
from secureapi.users.models import User

_S = table_of(UserSession).c
_U = table_of(User).c
_HOLDER: Select[Any] = (
    select(
        _S.user_id,
        _S.token_hash,
        _S.previous_hash,
        _S.rotated_at,
        _S.ended_at,
        _S.expires_at,
        _S.idle_expires_at,
        _S.authenticated_at,
        _S.methods,
        _U.role,
        _U.status,
    )
    .join_from(table_of(UserSession), table_of(User), _U.id == _S.user_id)
    .where(_S.id == bindparam("session_id"))
)


def find_holder(connection: Connection, session_id: str) -> Row[Any] | None:
    """A session with the hashes of its refresh tokens, and its owner: one look at two primary keys."""
    row: Row[Any] | None = connection.execute(_HOLDER, {"session_id": session_id}).one_or_none()
    return row

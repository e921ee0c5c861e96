"""The query on whether, and from where, somebody has signed in to an account before."""

from datetime import datetime

from sqlalchemy import Connection, Row, Select, bindparam, exists, select

from secureapi.auth.models import UserSession
from secureapi.core.database import table_of

_S = table_of(UserSession).c
_mine = _S.user_id == bindparam("owner_id", type_=_S.user_id.type)
_from_here = (_S.address == bindparam("address")) & (_S.created_at > bindparam("since", type_=_S.created_at.type))
_PAST: Select[bool, bool] = select(
    exists().where(_mine).label("was_anywhere"),
    exists().where(_mine, _from_here).label("was_here"),
)


def look_back(connection: Connection, user_id: str, *, address: str, since: datetime) -> Row[bool, bool]:
    """`was_anywhere`: whether there ever was a session; `was_here`: whether one began at this address after `since`."""
    return connection.execute(_PAST, {"owner_id": user_id, "address": address, "since": since}).one()

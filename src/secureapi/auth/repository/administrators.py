"""The query on what people are called who stand in a list by their ids."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select

from secureapi.core.database import table_of
from secureapi.users.models import User

_U = table_of(User).c


def find_usernames(connection: Connection, user_ids: Collection[str]) -> Mapping[str, str]:
    """Usernames by id. Whose account is gone is not among them."""
    if not user_ids:
        return {}
    rows = connection.execute(select(_U.id, _U.username).where(_U.id.in_(user_ids)))
    return {row.id: row.username for row in rows}

"""Every query on clients, the services that ask about tokens."""

from typing import Any

from sqlalchemy import Connection, Select, bindparam, select
from sqlalchemy.orm import Session

from secureapi.auth.errors import NoSuchClient
from secureapi.auth.models import ApiClient
from secureapi.core.database import table_of

_C = table_of(ApiClient).c
_SECRET: Select[Any] = select(_C.secret_hash).where(_C.id == bindparam("client_id"))


def find_secret_hash(connection: Connection, client_id: str) -> bytes | None:
    """The hash of a client's secret; None where no client has this id."""
    found: bytes | None = connection.execute(_SECRET, {"client_id": client_id}).scalar_one_or_none()
    return found


class ClientRepository:
    """Clients inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, client: ApiClient) -> None:
        """Insert. Raises `IntegrityError` when the id is taken."""
        self._session.add(client)
        self._session.flush()

    def get(self, client_id: str, *, lock: bool = False) -> ApiClient:
        """A client, locked against other transactions where asked. Raises `NoSuchClient`."""
        statement = select(ApiClient).where(_C.id == client_id)
        found = self._session.scalars(statement.with_for_update() if lock else statement).one_or_none()
        if found is None:
            raise NoSuchClient
        return found

    def list_all(self) -> list[ApiClient]:
        """Every client by id. They are few: somebody added each by hand."""
        return list(self._session.scalars(select(ApiClient).order_by(_C.id)))

    def remove(self, client: ApiClient) -> None:
        self._session.delete(client)
        self._session.flush()

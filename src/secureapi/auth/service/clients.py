"""Clients: services that may ask about tokens and revoke them. Operators add them at the command line; they prove themselves elsewhere
(`client_authentication`).
"""

from sqlalchemy.exc import IntegrityError

from secureapi.auth import events
from secureapi.auth.client_secrets import hash_of, new_secret
from secureapi.auth.errors import ClientExists
from secureapi.auth.models import ApiClient
from secureapi.auth.repository import ClientRepository
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.trail import Trail


class Clients:
    """Adds and removes them. A secret is told once, when it is made, and only its hash is kept."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail

    def add(self, *, client_id: str, description: str = "", client: Client) -> str:
        """Add a client. Its secret. Raises `ClientExists`."""
        secret = new_secret()
        added = ApiClient(id=client_id, description=description, secret_hash=hash_of(secret), created_at=self._clock.now())
        try:
            with self._database.transaction(client) as session:
                ClientRepository(session).add(added)
                self._trail.record(session, events.CLIENT_CREATED, client=client, client_id=client_id)
        except IntegrityError:
            raise ClientExists from None
        return secret

    def list_all(self) -> list[ApiClient]:
        """Every client, by id."""
        with self._database.transaction() as session:
            return ClientRepository(session).list_all()

    def change_secret(self, *, client_id: str, client: Client) -> str:
        """Give a client a new secret; from now on the old one is refused. The new one. Raises `NoSuchClient`."""
        secret = new_secret()
        with self._database.transaction(client) as session:
            ClientRepository(session).get(client_id, lock=True).secret_hash = hash_of(secret)
            self._trail.record(session, events.CLIENT_SECRET_CHANGED, client=client, client_id=client_id)
        return secret

    def remove(self, *, client_id: str, client: Client) -> None:
        """Remove a client; from now on its secret is refused. Raises `NoSuchClient`."""
        with self._database.transaction(client) as session:
            clients = ClientRepository(session)
            clients.remove(clients.get(client_id, lock=True))
            self._trail.record(session, events.CLIENT_REMOVED, client=client, client_id=client_id)

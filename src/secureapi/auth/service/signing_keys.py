"""What administrators do with signing keys: look at them, rotate them, retire one. By age they rotate on their own."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.auth.errors import NoSuchKey, SharedSecretInUse
from secureapi.auth.keys import KeyRing
from secureapi.auth.keys.rotation import SHARED, Retirement
from secureapi.auth.models import Phase, SigningKey
from secureapi.auth.repository import KeyRepository
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.settings import Settings


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """A signing key without either of its halves."""

    kid: str
    algorithm: str
    phase: str
    created_at: datetime
    activated_at: datetime | None
    verifies_until: datetime | None
    retired_at: datetime | None
    is_readable: bool
    """Whether the key-encryption key at hand opens it; a retired key has nothing left to open."""


class SigningKeys:
    """Looks after the keys by command. Every step is one transaction with its events."""

    def __init__(self, *, settings: Settings, database: Database, keys: KeyRing) -> None:
        self._settings = settings
        self._database = database
        self._ring = keys

    @property
    def is_shared_secret(self) -> bool:
        """Whether tokens are signed with JWT_SECRET_KEY, so that there is no key to rotate."""
        return self._settings.jwt_algorithm == SHARED

    def list_keys(self, *, with_retired: bool = False) -> list[KeyDescription]:
        """Every key in use, oldest first; those that are over too, where that is asked for."""
        with self._database.reading() as connection, Session(connection) as session:
            keys = KeyRepository(session)
            return [self._described(row) for row in (keys.list_every() if with_retired else keys.list_usable())]

    def rotate(self, *, client: Client, instead_of: str | None = None) -> str | None:
        """Let the next key sign; the active one verifies for the overlap. The id of the key that signs now.

        `instead_of` is the key that the caller saw signing; without it, the one that signs at this moment. Where another one has taken
        its place meanwhile nothing is done (None): two administrators at once rotate once. Raises `SharedSecretInUse`.
        """
        if self.is_shared_secret:
            raise SharedSecretInUse
        seen = instead_of or self._signing_now()
        signs: str | None = None
        try:
            with self._ring.rotation.turn(client) as turn:
                if seen == (turn.active.kid if turn.active else None):
                    signs = turn.rotate(reason="command")
        except IntegrityError:
            # Somebody else made the very first keys at the same moment.
            signs = None
        self._ring.reload()
        return signs

    def rotate_if_due(self, *, client: Client) -> str | None:
        """Do what time has made due, now and not when the next request comes by. The id of the key that signs now, if it changed.

        Raises `SharedSecretInUse`.
        """
        if self.is_shared_secret:
            raise SharedSecretInUse
        if self._ring.ensure(client):
            return self._signing_now()
        return self._ring.maintain(client)

    def retire(self, *, kid: str, client: Client) -> Retirement:
        """End a key at once: its private half is removed, and every token that it has signed is refused.

        This process refuses them from now on, any other within ten seconds. Raises `NoSuchKey`.
        """
        with self._ring.rotation.turn(client) as turn:
            row = turn.find(kid)
            if row is None:
                raise NoSuchKey
            retirement = turn.retire(row)
        self._ring.reload()
        return retirement

    def _signing_now(self) -> str | None:
        with self._database.reading() as connection, Session(connection) as session:
            rows = KeyRepository(session).list_usable()
        return next((r.kid for r in rows if r.phase == Phase.ACTIVE and r.algorithm == self._settings.jwt_algorithm), None)

    def _described(self, row: SigningKey) -> KeyDescription:
        return KeyDescription(
            kid=row.kid,
            algorithm=row.algorithm,
            phase=row.phase,
            created_at=row.created_at,
            activated_at=row.activated_at,
            verifies_until=row.verifies_until,
            retired_at=row.retired_at,
            is_readable=row.phase == Phase.RETIRED or self._ring.can_open(row),
        )

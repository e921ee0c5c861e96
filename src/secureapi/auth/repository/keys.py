"""Every query on signing keys."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from secureapi.auth.models import Phase, SigningKey
from secureapi.core.database import table_of

_K = table_of(SigningKey).c
_IN_USE = _K.phase != Phase.RETIRED.value


class KeyRepository:
    """Signing keys inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, key: SigningKey) -> None:
        self._session.add(key)
        self._session.flush()

    def find(self, kid: str) -> SigningKey | None:
        return self._session.scalars(select(SigningKey).where(_K.kid == kid)).one_or_none()

    def list_usable(self) -> list[SigningKey]:
        """Every key that may still sign or verify, oldest first."""
        return list(self._session.scalars(select(SigningKey).where(_IN_USE).order_by(_K.created_at, _K.kid)))

    def list_every(self) -> list[SigningKey]:
        """Every key there ever was, oldest first."""
        return list(self._session.scalars(select(SigningKey).order_by(_K.created_at, _K.kid)))

    def lock_usable(self) -> list[SigningKey]:
        """The same as `list_usable`, and nobody else changes the phase of a key until this transaction ends.

        Two statements: whoever had to wait for the locks must also see the keys that were added meanwhile, and PostgreSQL shows those
        only to a statement that begins afterwards. Where there is no key yet there is nothing to lock, and the unique indices decide.
        """
        # By age: a key that was made while we waited comes last, so that nobody ever waits for an older one with a newer one in hand.
        self._session.execute(select(_K.kid).where(_IN_USE).order_by(_K.created_at, _K.kid).with_for_update()).all()
        return self.list_usable()

"""Every query on signing keys."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from secureapi.auth.models import SigningKey


class KeyRepository:
    """Signing keys inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, key: SigningKey) -> None:
        self._session.add(key)
        self._session.flush()

    def list_usable(self) -> list[SigningKey]:
        """Every key that may still sign or verify, oldest first."""
        statement = select(SigningKey).where(SigningKey.phase != "retired").order_by(SigningKey.created_at, SigningKey.kid)
        return list(self._session.scalars(statement))

"""Every query on former passwords."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from secureapi.auth.models import FormerPassword


class PasswordHistoryRepository:
    """The hashes of the passwords that accounts had before."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list_hashes(self, user_id: str, *, most: int) -> Sequence[str]:
        """The last hashes of an account, newest first."""
        newest = select(FormerPassword.password_hash).where(FormerPassword.user_id == user_id).order_by(FormerPassword.id.desc())
        return self._session.scalars(newest.limit(most)).all()

    def add(self, user_id: str, password_hash: str, *, replaced_at: datetime) -> None:
        self._session.add(FormerPassword(user_id=user_id, password_hash=password_hash, replaced_at=replaced_at))
        self._session.flush()

    def keep_only(self, user_id: str, *, newest: int) -> None:
        """Remove all but the newest so many. The account's row is locked, so that nobody adds one meanwhile."""
        kept = select(FormerPassword.id).where(FormerPassword.user_id == user_id).order_by(FormerPassword.id.desc()).limit(newest)
        self._session.execute(
            delete(FormerPassword).where(FormerPassword.user_id == user_id, FormerPassword.id.not_in(kept.scalar_subquery())),
            execution_options={"synchronize_session": False},
        )

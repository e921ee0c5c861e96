"""Every query on accounts that wait for their address to be confirmed."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from secureapi.core.database import table_of
from secureapi.users.models import PendingRegistration

_TABLE = table_of(PendingRegistration)
_P = _TABLE.c
_SWEPT_AT_ONCE = 20


class PendingRegistrations:
    """Accounts that somebody wants, inside a transaction. Those whose time is over are as good as gone."""

    def __init__(self, session: Session, *, now: datetime) -> None:
        self._session = session
        self._now = now

    def add(self, wanted: PendingRegistration) -> None:
        self._session.add(wanted)
        self._session.flush()

    def find(self, registration_id: str) -> PendingRegistration | None:
        return self._session.scalars(select(PendingRegistration).where(_P.id == registration_id, self._is_open())).one_or_none()

    def find_newest(self, email_canonical: str) -> PendingRegistration | None:
        """The last that somebody wanted with this address."""
        theirs = select(PendingRegistration).where(_P.email_canonical == email_canonical, self._is_open())
        return self._session.scalars(theirs.order_by(_P.created_at.desc(), _P.id.desc()).limit(1)).one_or_none()

    def lock_all_beside(self, registration_id: str) -> PendingRegistration | None:
        """One of them, with all others of the same address locked as well; None when it is gone.

        All, and in order: two people who confirm the same address at the same moment remove each other's, and would otherwise wait
        for one another for ever.
        """
        address = select(_P.email_canonical).where(_P.id == registration_id).scalar_subquery()
        theirs = select(PendingRegistration).where(_P.email_canonical == address).order_by(_P.id).with_for_update()
        locked = self._session.scalars(theirs.execution_options(populate_existing=True)).all()
        return next((one for one in locked if one.id == registration_id and one.expires_at > self._now), None)

    def prolong(self, registration_id: str, *, until: datetime) -> None:
        self._session.connection().execute(update(_TABLE).where(_P.id == registration_id).values(expires_at=until))

    def remove(self, registration_id: str) -> None:
        self._session.connection().execute(delete(_TABLE).where(_P.id == registration_id))

    def remove_all(self, email_canonical: str) -> None:
        """Whatever anybody wanted with this address."""
        self._session.connection().execute(delete(_TABLE).where(_P.email_canonical == email_canonical))

    def sweep(self) -> None:
        """Remove some that are over. Called by whoever adds one, so that the table cannot grow without bound."""
        over = select(_P.id).where(_P.expires_at <= self._now).limit(_SWEPT_AT_ONCE).with_for_update(skip_locked=True)
        self._session.connection().execute(delete(_TABLE).where(_P.id.in_(over)))

    def _is_open(self) -> Any:
        return _P.expires_at > self._now

"""The outbox: work for outside this house, noted in the transaction of the change that causes it, so that neither is without the other.

Here is the note only. Who delivers it, and how often he tries, is the worker's business.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Integer, String, Uuid, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from secureapi.core.clock import Clock
from secureapi.core.database import Base, Moment, table_of
from secureapi.core.identifiers import new_id


class OutboxMessage(Base):
    """Something that has to reach somebody."""

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    """Also the idempotency key for whoever receives it."""
    topic: Mapped[str] = mapped_column(String(64))
    """What it is about, as `mail.refresh_reused`."""
    user_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    """Whom it concerns. The address is looked up when it is delivered: it may change, and is not kept twice."""
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What the message needs besides the account, without secrets."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    due_at: Mapped[datetime] = mapped_column(Moment)
    """Not tried before."""
    attempts: Mapped[int] = mapped_column(Integer)
    delivered_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (Index("ix_outbox_delivered_at_due_at", "delivered_at", "due_at"),)


class Outbox:
    """Takes notes. It never commits: a note lives and dies with the change that it tells of."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def add(self, session: Session, topic: str, *, user_id: str | None, **details: Any) -> None:
        """Note a message, to be delivered as soon as may be."""
        now = self._clock.now()
        session.connection().execute(
            insert(table_of(OutboxMessage)).values(
                id=new_id(), topic=topic, user_id=user_id, details=details, created_at=now, due_at=now, attempts=0, delivered_at=None
            )
        )

"""Tables of this room: the trail, the counters of attempts, the links in messages, and answers that may be asked for again."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from secureapi.core.database import Base, Moment
from secureapi.core.identifiers import new_id


class AuditEvent(Base):
    """One thing that happened. Only ever inserted: triggers on both engines refuse UPDATE and DELETE.

    There are no foreign keys: an event outlives whom it is about.
    """

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    occurred_at: Mapped[datetime] = mapped_column(Moment)
    type: Mapped[str] = mapped_column(String(64))
    severity: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    """Who did it; null where nobody was signed in."""
    subject_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    """Whose account it is about."""
    session_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    request_id: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(45))
    """The client's address; empty for the command line."""
    user_agent: Mapped[str] = mapped_column(String(256))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Reasons and names of things; never a secret, a value, or a bare address of a person."""

    __table_args__ = (
        Index("ix_audit_events_occurred_at", "occurred_at"),
        Index("ix_audit_events_type_id", "type", "id"),
        Index("ix_audit_events_severity_id", "severity", "id"),
        Index("ix_audit_events_subject_id_id", "subject_id", "id"),
    )


class Throttle(Base):
    """How often something was tried in vain. Counted up before the attempt is looked at."""

    __tablename__ = "throttles"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    """What is counted and for whom: a word, a colon, and a user's id or a keyed hash of what was typed."""
    attempts: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    """When the count starts anew; for a locked account, when the lock ends."""
    user_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), index=True)
    """Whose account it protects, so that everything about one account can be forgotten at once; null where nobody was found."""


class OneTimeLink(Base):
    """A link in a message that may be used once. What is secret in it is kept nowhere: see `security/links.py`."""

    __tablename__ = "one_time_links"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    purpose: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id", ondelete="CASCADE"))
    """Whose account it opens; null where there is none yet."""
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What using it needs to know besides; addresses are sealed."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    used_at: Mapped[datetime | None] = mapped_column(Moment)
    """When it was used, or withdrawn."""

    __table_args__ = (Index("ix_one_time_links_user_id_purpose", "user_id", "purpose"),)


class KeptAnswer(Base):
    """What was answered to a request with an Idempotency-Key, or that one is under way. See `security/kept_answers.py`."""

    __tablename__ = "kept_answers"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A keyed hash of the caller, the endpoint and the key: the one row that of many requests at once only the first can insert."""
    request_hash: Mapped[str] = mapped_column(String(64))
    """A keyed hash of what was asked for."""
    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id", ondelete="CASCADE"), index=True)
    claim: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    """Which request does the work: one that was thought dead and is not must not overwrite what its successor has kept."""
    status: Mapped[int | None] = mapped_column(Integer)
    """The HTTP status of the answer; null while the first request is under way, 0 when it has committed something."""
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Its body and headers, sealed."""
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    """When the key means nothing any more; while the first request is under way, when it is given up."""

"""The outbox: work for outside this house, noted in the transaction of the change that causes it, so that neither is without the other.

Here are the note and its states: waiting, delivered, dead. Who delivers, and how, is the business of `core/delivery.py`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    CursorResult,
    Index,
    Integer,
    Row,
    Select,
    String,
    Update,
    Uuid,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from secureapi.core.clock import Clock
from secureapi.core.database import Base, Moment, table_of
from secureapi.core.identifiers import new_id, timeless_id

_WAITING = text("delivered_at IS NULL AND dead_at IS NULL")
_DEAD = text("dead_at IS NOT NULL")
_DELIVERED = text("delivered_at IS NOT NULL")
REASON_LENGTH = 64


class OutboxMessage(Base):
    """Something that has to reach somebody."""

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    """Also the idempotency key for whoever receives it."""
    topic: Mapped[str] = mapped_column(String(64))
    """What it is about, as `mail.refresh_reused`. What does not begin with `mail.` is for a handler of ours."""
    user_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    """Whom it concerns. The address is looked up when it is delivered: it may change, and is not kept twice."""
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What the message needs besides the account, without secrets. Addresses that no account has are sealed."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    due_at: Mapped[datetime] = mapped_column(Moment)
    """Not tried before."""
    attempts: Mapped[int] = mapped_column(Integer)
    """How often it was refused. A server that could not be reached has refused nothing."""
    delivered_at: Mapped[datetime | None] = mapped_column(Moment)
    locked_until: Mapped[datetime | None] = mapped_column(Moment)
    """A worker has it in hand until then. Also the sign by which that worker's claim is told from a later one."""
    dead_at: Mapped[datetime | None] = mapped_column(Moment)
    """Since when nobody tries any more. It stays until somebody decides: `flask outbox retry` or `drop`."""
    last_error: Mapped[str | None] = mapped_column(String(REASON_LENGTH))
    """The class of the last error and the server's number, never its text: that repeats addresses."""

    __table_args__ = (
        Index("ix_outbox_waiting", "due_at", postgresql_where=_WAITING, sqlite_where=_WAITING),
        Index("ix_outbox_dead_at", "dead_at", postgresql_where=_DEAD, sqlite_where=_DEAD),
        Index("ix_outbox_delivered_at", "delivered_at", postgresql_where=_DELIVERED, sqlite_where=_DELIVERED),
    )


_TABLE = table_of(OutboxMessage)
_T = _TABLE.c
_dice = random.SystemRandom()
_IS_WAITING = _T.delivered_at.is_(None) & _T.dead_at.is_(None)


class Outbox:
    """Takes notes. It never commits: a note lives and dies with the change that it tells of."""

    def __init__(self, clock: Clock, *, spread: timedelta = timedelta(0)) -> None:
        self._clock = clock
        self._spread = spread

    def add(self, session: Session, topic: str, *, user_id: str | None, **details: Any) -> None:
        """Note a message, to be delivered as soon as may be."""
        self._insert(session, topic, user_id, details, wait=timedelta(0))

    def add_spread(self, session: Session, topic: str, *, user_id: str | None, **details: Any) -> None:
        """The same for what a stranger may have caused, to be delivered at some moment of the next few seconds.

        Somebody who asks for messages of his own around one for another person would else see by theirs, by their order and the time
        between them, whether there was anything to do for the other.
        """
        self._insert(session, topic, user_id, details, wait=self._spread * _dice.random())

    def _insert(self, session: Session, topic: str, user_id: str | None, details: dict[str, Any], *, wait: timedelta) -> None:
        now = self._clock.now()
        # The id of a message is seen by whoever gets it.
        note_id = timeless_id() if topic.startswith("mail.") else new_id()
        session.connection().execute(
            insert(_TABLE).values(
                id=note_id, topic=topic, user_id=user_id, details=details, created_at=now, due_at=now + wait, attempts=0, delivered_at=None
            )
        )


@dataclass(frozen=True, slots=True)
class Note:
    """A message as a worker has it in hand."""

    id: str
    topic: str
    user_id: str | None
    details: dict[str, Any]
    created_at: datetime
    attempts: int
    claimed_until: datetime
    """After that it may be in another worker's hands as well."""


def has_due(connection: Connection, *, now: datetime) -> bool:
    """Whether anything could be claimed. A look that takes no lock: on SQLite a claim shuts every writer out."""
    return connection.execute(select(_T.id).where(_can_be_claimed(now)).limit(1)).first() is not None


def claim(connection: Connection, *, most: int, now: datetime, lease: timedelta) -> list[Note]:
    """Take up to `most` messages that are due, the longest waiting first. Nobody else gets them before the lease is over.

    On PostgreSQL workers pass over each other's rows instead of waiting for them; SQLite has one writer at a time. The claim is
    committed before anything is sent: no transaction stays open while a mail server talks.
    """
    until = now + lease
    due = select(_T.id).where(_can_be_claimed(now)).order_by(_T.due_at, _T.id).limit(most).with_for_update(skip_locked=True).cte("due")
    claimed = update(_TABLE).where(_T.id.in_(select(due.c.id))).values(locked_until=until)
    rows = connection.execute(claimed.returning(_T.id, _T.topic, _T.user_id, _T.details, _T.created_at, _T.attempts, _T.due_at)).all()
    in_turn = sorted(rows, key=lambda row: (row.due_at, row.id))
    return [Note(row.id, row.topic, row.user_id, row.details, row.created_at, row.attempts, until) for row in in_turn]


def mark_delivered(connection: Connection, note: Note, *, now: datetime) -> None:
    """It has been handed over, whoever else may have claimed it since."""
    connection.execute(update(_TABLE).where(_T.id == note.id).values(delivered_at=now, dead_at=None, locked_until=None, last_error=None))


def settle(connection: Connection, note: Note, *, now: datetime) -> bool:
    """The same, for work that is done in this very transaction. False when somebody else has done it."""
    settled = update(_TABLE).where(_T.id == note.id, _T.delivered_at.is_(None)).values(delivered_at=now, dead_at=None, locked_until=None)
    return _changed(connection, settled)


def put_off(connection: Connection, note: Note, *, reason: str, until: datetime) -> bool:
    """It was refused for now. False when somebody else has it in hand by now: then he decides."""
    return _changed(connection, _mine(note).values(attempts=_T.attempts + 1, due_at=until, locked_until=None, last_error=_short(reason)))


def bury(connection: Connection, note: Note, *, reason: str, now: datetime) -> bool:
    """Nobody shall try any more. False as above."""
    return _changed(connection, _mine(note).values(attempts=_T.attempts + 1, dead_at=now, locked_until=None, last_error=_short(reason)))


def give_back(connection: Connection, notes: Sequence[Note]) -> None:
    """Claimed and not tried: others may have them at once."""
    for note in notes:
        connection.execute(_mine(note).values(locked_until=None))


def forget(connection: Connection, message_id: str) -> Row[Any, Any, Any] | None:
    """Remove a message that was not delivered, and give back what it was. None when there is no such."""
    removed = delete(_TABLE).where(_T.id == message_id, _T.delivered_at.is_(None))
    return connection.execute(removed.returning(_T.id, _T.topic, _T.user_id)).first()


def revive(connection: Connection, message_id: str | None, *, now: datetime) -> int:
    """Let a message be tried now, as if it were new: one that waits or is dead, or with None all that are dead. How many they were.

    One that a worker has in hand is left to him.
    """
    chosen = _T.dead_at.is_not(None) if message_id is None else _T.id == message_id
    is_free = or_(_T.locked_until.is_(None), _T.locked_until <= now)
    revived = update(_TABLE).where(chosen, is_free, _T.delivered_at.is_(None)).values(attempts=0, due_at=now, dead_at=None)
    return _count(connection, revived)


def sweep(connection: Connection, *, before: datetime) -> int:
    """Remove what was delivered before this moment: it has served its purpose, and tells about people. How many they were."""
    return connection.execute(delete(_TABLE).where(_T.delivered_at < before)).rowcount


def list_undelivered(connection: Connection, *, only_dead: bool, most: int) -> Sequence[Row[Any]]:
    """What waits or is dead, the longest waiting first."""
    wanted = _T.dead_at.is_not(None) if only_dead else _T.delivered_at.is_(None)
    columns = (_T.id, _T.topic, _T.user_id, _T.created_at, _T.due_at, _T.attempts, _T.dead_at, _T.locked_until, _T.last_error)
    statement: Select[Any] = select(*columns).where(wanted).order_by(_T.due_at, _T.id).limit(most)
    return connection.execute(statement).all()


def count_waiting(connection: Connection) -> int:
    """How many wait to be delivered."""
    return connection.execute(select(func.count()).select_from(_TABLE).where(_IS_WAITING)).scalar_one()


def _can_be_claimed(now: datetime) -> Any:
    return _IS_WAITING & (_T.due_at <= now) & or_(_T.locked_until.is_(None), _T.locked_until <= now)


def _mine(note: Note) -> Update:
    """The row, while the claim is still this one."""
    return update(_TABLE).where(_T.id == note.id, _T.locked_until == note.claimed_until, _T.delivered_at.is_(None))


def _changed(connection: Connection, statement: Update) -> bool:
    return _count(connection, statement) == 1


def _count(connection: Connection, statement: Update) -> int:
    result: CursorResult[Any] = connection.execute(statement)
    return result.rowcount


def _short(reason: str) -> str:
    return reason[:REASON_LENGTH]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has piled up."""

    dead: int
    waiting: int
    due_since: datetime | None
    """When the message that waits longest was to be tried; None where none waits."""


def backlog_of(connection: Connection, *, most: int) -> Backlog:
    """What has piled up, counted up to `most`: each number comes from an index of its own, and nobody waits for a million rows."""
    dead, waiting = (
        select(func.count()).select_from(select(_T.id).where(state).limit(most).subquery()).scalar_subquery()
        for state in (_T.dead_at.is_not(None), _IS_WAITING)
    )
    longest = select(_T.due_at).where(_IS_WAITING).order_by(_T.due_at).limit(1).scalar_subquery()
    row = connection.execute(select(dead.label("dead"), waiting.label("waiting"), longest.label("due_since"))).one()
    return Backlog(row.dead, row.waiting, row.due_since)

"""Strict limits while Redis is away: counted in the database, by all workers and hosts together.

A fixed window that begins with its first request, and half the rate. Somebody may use up the end of one window and the beginning of
the next at once, and still gets no more than the whole rate in any span of its length.
"""

import hashlib
import math
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, delete, or_, select

from secureapi.core.clock import Clock
from secureapi.core.database import Database, insert_or_update, table_of
from secureapi.security.models import Throttle
from secureapi.security.named_limits import Limit, Spent
from secureapi.settings.values import Rate

_TABLE = table_of(Throttle)
_T = _TABLE.c
_SWEPT_AT_ONCE = 20
_MOST_REMEMBERED = 10_000


class DatabaseCounters:
    """Counts in the table `throttles`. Each request that is counted is a transaction of its own."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._closed: dict[tuple[str, Rate], datetime] = {}
        """Which keys are used up at which rate, as this process was told, and until when.
        So a flood from one address is not one on the database."""

    def spend(self, limit: Limit, subject: str) -> Spent:
        """Count one request of a subject. Raises `Unavailable` when the database is away too."""
        rate = halved(limit.rate)
        key, now = _key(limit.name, subject), self._clock.now()
        until = self._closed.get((key, rate))
        if until is None or until <= now:
            attempts, until = self._count(key, rate, now)
            if attempts <= rate.requests:
                return Spent(limit.name, rate, rate.requests - attempts, (until - now).total_seconds())
            self._remember((key, rate), until)
        return Spent(limit.name, rate, 0, (until - now).total_seconds(), is_exceeded=True)

    def _count(self, key: str, rate: Rate, now: datetime) -> tuple[int, datetime]:
        """The number of this request in its window, and when that ends. What is refused writes nothing, and prolongs nothing."""
        fresh = insert_or_update(self._database.engine.dialect)(_TABLE).values(
            key=key, attempts=1, expires_at=now + timedelta(seconds=rate.seconds)
        )
        is_over = _T.expires_at <= now
        counted = fresh.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "attempts": case((is_over, 1), else_=_T.attempts + 1),
                "expires_at": case((is_over, fresh.excluded.expires_at), else_=_T.expires_at),
            },
            where=or_(is_over, _T.attempts < rate.requests),
        ).returning(_T.attempts, _T.expires_at)
        with self._database.writing() as connection:
            row = connection.execute(counted).first()
            if row is None:
                # Still locked by the statement above: nobody can have changed or removed it.
                closed = connection.execute(select(_T.expires_at).where(_T.key == key)).scalar_one()
                return rate.requests + 1, closed
            if row.attempts == 1:
                _sweep(connection, now)
        return row.attempts, row.expires_at

    def _remember(self, key: tuple[str, Rate], until: datetime) -> None:
        if len(self._closed) >= _MOST_REMEMBERED:
            self._closed.clear()
        self._closed[key] = until


def halved(rate: Rate) -> Rate:
    """What is allowed in one fixed window, so that two that follow one another hold no more than the rate."""
    return Rate(max(1, math.floor(rate.requests / 2)), rate.seconds)


def _key(name: str, subject: str) -> str:
    """Of a fixed length, whatever the subject is."""
    return f"limit:{name}:{hashlib.sha256(subject.encode()).hexdigest()[:32]}"


def _sweep(connection: Connection, now: datetime) -> None:
    """Remove some keys that are over, whosever they are: each new one removes more than it adds, as long as there are any."""
    over = select(_T.key).where(_T.expires_at <= now).limit(_SWEPT_AT_ONCE).with_for_update(skip_locked=True)
    connection.execute(delete(_TABLE).where(_T.key.in_(over)))

"""Attempts that may fail only so often, counted before anybody looks whether they are right.

Counting afterwards would let a hundred parallel guesses through before the first of them is counted.

What can be wrong is declared in one table, `kinds_of`; each kind has counters of its own, so that nobody uses up one by another.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from sqlalchemy import case, delete, select, update
from sqlalchemy.orm import Session

from secureapi.core.clock import Clock
from secureapi.core.database import insert_or_update, table_of
from secureapi.security.models import Throttle
from secureapi.settings.in_force import Present

_T = table_of(Throttle).c
_SWEPT_AT_ONCE = 40


PASSWORD, TYPED, SESSION = "password", "typed", "session"


@dataclass(frozen=True, slots=True)
class Bound:
    """How often something may be wrong."""

    most: int
    """So many wrong ones in a row close a key."""
    window: timedelta
    """For so long it is closed then, and so long wrong ones are remembered."""


Bounds = Callable[[], Bound]
"""Tells the bound in force."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that may be wrong only so often."""

    name: str
    """The first word of its keys."""
    counts: str
    """What is counted, and for whom."""
    bound: Bounds
    """How often, as it is in force at this moment."""

    def key(self, *whose: str) -> str:
        """Under which it is counted: at most 80 characters."""
        return ":".join((self.name, *whose))


def kinds_of(settings: Present) -> Mapping[str, Kind]:
    """The table."""

    def passwords() -> Bound:
        present = settings.now
        return Bound(present.max_login_attempts, present.account_lockout)

    kinds = (
        Kind(PASSWORD, "Passwords at the sign-in, for each lane of an account, and for a name that nobody has.", passwords),
        Kind(TYPED, "Passwords of strangers for each name that is typed, whether or not somebody has it: for the delay.", passwords),
        Kind(SESSION, "Passwords that somebody who is signed in gives as a proof, for each session.", passwords),
    )
    return {kind.name: kind for kind in kinds}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One reserved attempt."""

    number: int
    most: int

    @property
    def is_allowed(self) -> bool:
        """Whether it may be looked at at all."""
        return self.number <= self.most

    @property
    def is_last(self) -> bool:
        """Whether the lock falls when this one is wrong, unless one before it is given back. Of those that are not, exactly one is."""
        return self.number == self.most


class Attempts:
    """Counters in the database, shared by every worker.

    The bound may become another one while something is counted, and is then another one at once: with a lower one a key may be closed
    whose last attempt nobody saw fall, with a higher one a closed key takes attempts again. How long a key stays closed is fixed when it
    closes.
    """

    def __init__(self, *, clock: Clock, bound: Bounds) -> None:
        self._clock = clock
        self._bound = bound

    @classmethod
    def of(cls, kind: Kind, clock: Clock) -> Self:
        """Those of one kind."""
        return cls(clock=clock, bound=kind.bound)

    def reserve(self, session: Session, key: str, *, user_id: str | None = None) -> Attempt:
        """Count one attempt, atomically, in one statement. Attempts beyond the last neither count nor prolong the lock.

        So what is counted was looked at, or is about to be, and nothing else closes a key. `user_id` is whose account the key protects,
        where there is one.
        """
        now, bound = self._clock.now(), self._bound()
        statement = insert_or_update(session.get_bind().dialect)(table_of(Throttle)).values(
            key=key, attempts=1, expires_at=now + bound.window, user_id=user_id
        )
        is_over = _T.expires_at <= now
        statement = statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "attempts": case((is_over, 1), else_=_T.attempts + 1),
                "expires_at": case((is_over | (_T.attempts + 1 == bound.most), statement.excluded.expires_at), else_=_T.expires_at),
            },
            where=is_over | (_T.attempts < bound.most),
        ).returning(_T.attempts)
        return Attempt(session.execute(statement).scalar() or bound.most + 1, bound.most)

    def give_back(self, session: Session, key: str, *, unless_full: bool = False) -> None:
        """Take back an attempt that was allowed, and that nobody has looked at, nor will: its password told nobody anything.

        `unless_full`: not where the key has had as many as it takes, so that the span that began with the last of them stays as it is.
        """
        found, connection = [_T.key == key], session.connection()
        if unless_full:
            found.append(_T.attempts < self._bound().most)
        connection.execute(update(table_of(Throttle)).where(*found, _T.attempts > 0).values(attempts=_T.attempts - 1))
        # A row that says nothing any more is not kept: names that are typed at random would fill the table.
        connection.execute(delete(table_of(Throttle)).where(_T.key == key, _T.attempts <= 0))

    def clear(self, session: Session, key: str) -> bool:
        """Forget a key: the attempt was right, or an administrator lifts the lock. Whether there was anything to forget."""
        return session.execute(delete(Throttle).where(_T.key == key).returning(_T.key)).first() is not None

    def clear_all(self, session: Session, user_id: str) -> bool:
        """Forget everything that was counted for an account. Whether there was anything to forget."""
        return session.execute(delete(Throttle).where(_T.user_id == user_id).returning(_T.key)).first() is not None

    def is_locked(self, session: Session, key: str) -> bool:
        """Whether the key takes no attempt just now."""
        found = select(_T.key).where(_T.key == key, _T.attempts >= self._bound().most, _T.expires_at > self._clock.now())
        return session.execute(found).first() is not None

    def seconds_left(self, session: Session, key: str) -> float:
        """How long a key that takes no attempt stays closed; 0 for one that is over."""
        expires_at = session.scalars(select(_T.expires_at).where(_T.key == key)).one_or_none()
        return max(0.0, (expires_at - self._clock.now()).total_seconds()) if expires_at else 0.0

    def sweep(self, session: Session) -> None:
        """Remove some keys that are over. Called by whoever adds one, so that names typed at random cannot fill the table."""
        over = select(_T.key).where(_T.expires_at <= self._clock.now()).limit(_SWEPT_AT_ONCE).with_for_update(skip_locked=True)
        session.execute(delete(Throttle).where(_T.key.in_(over)))

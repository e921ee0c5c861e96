"""Who follows whom: signing keys move next → active → retiring → retired, each step in a transaction that leaves its events.

There is always one `next` key for the algorithm in force, published long before it signs. Nobody decides here when: the ring does
by age, administrators by command.
"""

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.keys.vault import KeyVault
from secureapi.auth.models import Phase, SigningKey
from secureapi.auth.repository import KeyRepository
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.events import EventType
from secureapi.security.trail import Trail
from secureapi.settings import Settings

_log = structlog.get_logger(__name__)
SHARED = "HS256"
"""The algorithm that needs no keys in the database: JWT_SECRET_KEY is its key."""
PUBLISHED_FIRST = timedelta(minutes=15)
"""For so long a key is published before age alone makes it sign: longer than verifiers keep our JWKS, of whom some do so for ten minutes
instead of the five that we ask for."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """What came of retiring a key."""

    kid: str
    was: Phase
    replaced_by: str | None
    """The key that signs in its place, where it was the one that signed."""


class KeyRotation:
    """Knows when a step is due, and opens the transactions in which steps are made."""

    def __init__(self, *, settings: Settings, database: Database, vault: KeyVault, clock: Clock, trail: Trail) -> None:
        self.algorithm = settings.jwt_algorithm
        self.overlap = settings.signing_key_overlap
        self.age_limit = timedelta(days=settings.signing_key_rotation_days) or None
        self._database = database
        self._vault = vault
        self._clock = clock
        self._trail = trail

    @contextmanager
    def turn(self, client: Client, *, spares: int = 1) -> Iterator["Turn"]:
        """A transaction in which nobody else changes the phase of a key.

        `spares` is how many new keys will probably be needed: they are made before it begins, since an RSA key takes longer than
        others should have to wait for a lock. Raises `IntegrityError` when another worker has made the very first key meanwhile.
        """
        made = [] if self.algorithm == SHARED else [self._vault.make(self.algorithm, self._clock.now()) for _ in range(spares)]
        with self._database.transaction(client) as session:
            yield Turn(self, session, vault=self._vault, trail=self._trail, client=client, now=self._clock.now(), spares=made)

    def is_due(self, rows: Sequence[SigningKey], readable: Container[str]) -> bool:
        """Whether `Turn.care` would find something to do. An algorithm whose signing key cannot be read is none of its business."""
        now = self._clock.now()
        if any(self.is_over(row, now) for row in rows) or any(self.is_left_over(row, rows, now) for row in rows):
            return True
        active, following = one_of(rows, self.algorithm, Phase.ACTIVE), one_of(rows, self.algorithm, Phase.NEXT)
        if active is None or active.kid not in readable:
            return False
        return following is None or following.kid not in readable or self.is_aged(active, following, now)

    def is_aged(self, active: SigningKey, following: SigningKey, now: datetime) -> bool:
        """Whether a key has signed for long enough, and every verifier has had the time to learn the one that follows."""
        if self.age_limit is None:
            return False
        return _since(active) + self.age_limit <= now and following.created_at + PUBLISHED_FIRST <= now

    def is_over(self, row: SigningKey, now: datetime) -> bool:
        """Whether a key has been retiring for the whole overlap, or nobody has said until when it does."""
        return row.phase == Phase.RETIRING and (row.verifies_until is None or row.verifies_until <= now)

    def is_left_over(self, row: SigningKey, rows: Sequence[SigningKey], now: datetime) -> bool:
        """Whether a key belongs to an algorithm that nobody uses any more.

        Workers with the settings of yesterday and of today may run side by side. Those for whom it is in force would have rotated it
        at its age: only what is older than that and the overlap has been left behind.
        """
        if row.algorithm == self.algorithm:
            return False
        if row.phase == Phase.NEXT:
            return one_of(rows, row.algorithm, Phase.ACTIVE) is None
        return row.phase == Phase.ACTIVE and self.age_limit is not None and _since(row) + self.age_limit + self.overlap <= now


class Turn:
    """One transaction in which keys change their phase, all rows of keys in use locked."""

    def __init__(
        self,
        rotation: KeyRotation,
        session: Session,
        *,
        vault: KeyVault,
        trail: Trail,
        client: Client,
        now: datetime,
        spares: list[SigningKey],
    ) -> None:
        self._rotation = rotation
        self._session = session
        self._keys = KeyRepository(session)
        self._vault = vault
        self._trail = trail
        self._client = client
        self._now = now
        self._spares = spares
        self._algorithm = rotation.algorithm
        self._rows = self._keys.lock_usable()
        self.has_displaced = False
        """Whether a key that signs, and that this process cannot read, was made to retire."""

    @property
    def active(self) -> SigningKey | None:
        """The key that signs with the algorithm in force."""
        return one_of(self._rows, self._algorithm, Phase.ACTIVE)

    def complete(self, *, may_displace: bool = False) -> bool:
        """See to it that there is a key that signs and one that follows. Whether the one that signs is another one now.

        A signing key that cannot be read retires with the overlap, and never at once: perhaps it is this process alone that has the
        wrong KEY_ENCRYPTION_KEY, and one such worker must not end every token of the installation.
        """
        active = self.active
        if active is not None and self._vault.open(active) is None:
            if not may_displace:
                return False
            _log.error("keys.displaced", kid=active.kid, hint="it cannot be read here: is KEY_ENCRYPTION_KEY or SECRET_KEY right?")
            self._let_retire(active)
            self.has_displaced = True
        if self.active is not None:
            self._publish_next()
            return False
        self._activate("unreadable" if self.has_displaced else "first")
        return True

    def rotate(self, *, reason: str) -> str:
        """The next key signs, the active one retires, and a new one is published. The id of the one that signs now."""
        active = self.active
        if active is not None:
            self._let_retire(active)
        return self._activate(reason).kid

    def retire(self, row: SigningKey) -> Retirement:
        """End a key at once, and with it every token that it has signed. One that signs has a successor before this is over."""
        was = Phase(row.phase)
        if was == Phase.RETIRED:
            return Retirement(row.kid, was, None)
        self._end(row, reason="command")
        replaced_by = None
        if row.algorithm == self._algorithm:
            if was == Phase.ACTIVE:
                replaced_by = self._activate("command").kid
            self._publish_next()
        return Retirement(row.kid, was, replaced_by)

    def find(self, kid: str) -> SigningKey | None:
        """The row of a key, whatever its phase."""
        return next((row for row in self._rows if row.kid == kid), None) or self._keys.find(kid)

    def care(self) -> str | None:
        """Do everything that time has made due, and nothing else. The id of the key that signs now, where it is another one."""
        self._end_what_is_over()
        active = self.active
        if active is None or self._vault.open(active) is None:
            return None
        following = self._publish_next()
        if self._rotation.is_aged(active, following, self._now):
            return self.rotate(reason="age")
        return None

    def _end_what_is_over(self) -> None:
        # Those that follow come last: they are left over only once nothing signs before them.
        for row in sorted(self._rows, key=lambda row: row.phase == Phase.NEXT):
            if self._rotation.is_over(row, self._now):
                if row.verifies_until is None:
                    # Somebody changed the row by hand. What the key has signed is good for the overlap, from now on.
                    row.verifies_until = self._now + self._rotation.overlap
                else:
                    self._end(row, reason="overlap")
            elif self._rotation.is_left_over(row, self._rows, self._now):
                if row.phase == Phase.ACTIVE:
                    self._let_retire(row)
                else:
                    self._end(row, reason="unused")

    def _activate(self, reason: str) -> SigningKey:
        """Let the next key sign, and publish one that will follow it."""
        chosen = self._publish_next()
        chosen.phase, chosen.activated_at = Phase.ACTIVE.value, self._now
        self._session.flush()
        self._record(events.KEY_ACTIVATED, chosen, reason=reason)
        self._publish_next()
        return chosen

    def _publish_next(self) -> SigningKey:
        """The key that follows; a new one where there is none that can be read. One that never signed can go without harm."""
        following = one_of(self._rows, self._algorithm, Phase.NEXT)
        if following is not None and self._vault.open(following) is None:
            self._end(following, reason="unreadable")
            following = None
        if following is None:
            following = self._spares.pop() if self._spares else self._vault.make(self._algorithm, self._now)
            self._keys.add(following)
            self._rows.append(following)
            self._record(events.KEY_CREATED, following)
        return following

    def _let_retire(self, row: SigningKey) -> None:
        row.phase, row.verifies_until = Phase.RETIRING.value, self._now + self._rotation.overlap
        # At once: the index allows one active key, and the unit of work would choose an order of its own.
        self._session.flush()
        self._record(events.KEY_RETIRING, row)

    def _end(self, row: SigningKey, *, reason: str) -> None:
        row.phase, row.private_key, row.retired_at = Phase.RETIRED.value, b"", self._now
        self._session.flush()
        self._rows.remove(row)
        self._record(events.KEY_RETIRED, row, reason=reason)

    def _record(self, happened: EventType, row: SigningKey, **details: str) -> None:
        self._trail.record(self._session, happened, client=self._client, kid=row.kid, algorithm=row.algorithm, **details)


def one_of(rows: Sequence[SigningKey], algorithm: str, phase: Phase) -> SigningKey | None:
    """The key of this algorithm in this phase, of which there is at most one while it is next or active."""
    return next((row for row in rows if row.algorithm == algorithm and row.phase == phase), None)


def _since(active: SigningKey) -> datetime:
    return active.activated_at or active.created_at

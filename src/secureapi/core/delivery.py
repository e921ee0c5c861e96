"""Delivering what is in the outbox: at least once, and nothing that is not in it. Any number of workers may do so at once.

A worker claims a few messages for a while, sends one after the other, and says of each what came of it, at once: one that is killed
leaves one message in doubt, which is sent again, and the others to whoever comes when its claim is over.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, Row
from sqlalchemy.orm import Session

from secureapi.core import outbox
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Unavailable
from secureapi.core.mail import Composer, Hopeless, LinkTo, Post, PutOff, Recipient, ServerAway
from secureapi.core.outbox import Note
from secureapi.core.requests import Client
from secureapi.settings import Settings

_log = structlog.get_logger(__name__)
_BATCH = 20
_LEASE_IN_TIMEOUTS = 6
"""A claim lasts as long as a server may take for the steps of one message, and some more."""
_FIRST_DELAY = timedelta(seconds=15)
_LONGEST_DELAY = timedelta(hours=1)
_IDLE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_SWEEP_EVERY = timedelta(hours=1)
_dice = random.SystemRandom()

FindRecipient = Callable[[Note], Recipient | None]
"""Whom a note is for; None when that account is gone. Which room has accounts is not known here."""
Handler = Callable[[Session, Note], None]
"""Work that a request has left behind, done in the transaction that says so: both or neither, and once."""
Record = Callable[[Connection, str, str | None, dict[str, Any]], None]
"""`(connection, "dead" or "dropped", whose, details)`: leave an event in this transaction."""


class Stop(Protocol):
    """Somebody who may want the worker to end."""

    @property
    def is_asked(self) -> bool: ...

    def wait(self, seconds: float) -> None:
        """Return after so long, or as soon as it is asked."""
        ...


class Never:
    """Nobody does."""

    is_asked = False

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(slots=True)
class Round:
    """What came of trying everything that was due."""

    delivered: int = 0
    put_off: int = 0
    dead: int = 0
    dropped: int = 0
    handled: int = 0
    """Notes for ourselves; what came of them are other notes."""
    server_away: str = ""
    """Why the round ended early, when it did."""


class Delivery:
    """Delivers, and does what requests have left behind.

    `post` is None where nobody has said where to: then nothing is claimed, and everything is kept. `keep_up` is called before each claim:
    settings may have changed.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        clock: Clock,
        post: Post | None,
        find_recipient: FindRecipient,
        link_to: LinkTo,
        handlers: Mapping[str, Handler],
        record: Record,
        keep_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._keep_up = keep_up
        self._post = post
        self._composer = Composer(settings, link_to)
        self._find_recipient = find_recipient
        self._handlers = handlers
        self._record = record
        self._most_attempts = settings.outbox_max_attempts
        self._keep = timedelta(days=settings.outbox_keep_days)
        self._patience = timedelta(seconds=settings.mail_timeout_seconds)
        self._swept_at = clock.now() - _SWEEP_EVERY

    @property
    def is_possible(self) -> bool:
        """Whether somebody has said where messages go."""
        return self._post is not None

    def run(self, stop: Stop) -> None:
        """Deliver until asked to stop: after the message in hand. Neither a database nor a server that is away ends it."""
        pause = _IDLE_SECONDS
        while not stop.is_asked:
            try:
                is_away = bool(self.deliver_due(stop).server_away)
                self._sweep()
            except Unavailable:
                is_away = True
            # The server and the database are asked again after one second, then two, four: a restart is noticed soon, and an
            # outage is not made worse. Not all workers at the same moment.
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS) if is_away else _IDLE_SECONDS
            stop.wait(pause * _dice.uniform(0.75, 1.0))

    def deliver_due(self, stop: Stop | None = None) -> Round:
        """Try everything that is due now, once. Raises `Unavailable` when the database is away."""
        done, stop = Round(), stop or Never()
        if self._post is None:
            return done
        try:
            while not stop.is_asked and not done.server_away and (notes := self._claim()):
                self._deliver_batch(self._post, notes, done, stop)
        finally:
            self._post.rest()
        return done

    def _claim(self) -> list[Note]:
        self._keep_up()
        now = self._clock.now()
        with self._database.reading() as connection:
            if not outbox.has_due(connection, now=now):
                return []
        with self._database.writing() as connection:
            return outbox.claim(connection, most=_BATCH, now=now, lease=self._patience * _LEASE_IN_TIMEOUTS)

    def _deliver_batch(self, post: Post, notes: list[Note], done: Round, stop: Stop) -> None:
        left = list(notes)
        try:
            # What is left of a claim must be enough for one message: otherwise somebody else may be about to send the same.
            while left and not stop.is_asked and left[0].claimed_until - self._clock.now() > self._patience * 2:
                self._deliver(post, left[0], done)
                left.pop(0)
        except ServerAway as away:
            done.server_away = away.reason
            _log.warning("mail.server_away", reason=away.reason)
        finally:
            if left:
                # When the database is gone as well, the claim ends by itself.
                with suppress(Unavailable), self._database.writing() as connection:
                    outbox.give_back(connection, left)

    def _deliver(self, post: Post, note: Note, done: Round) -> None:
        try:
            if note.topic in self._handlers:
                self._handle(self._handlers[note.topic], note)
                done.handled += 1
                return
            recipient = self._find_recipient(note)
            if recipient is None:
                self._drop(note)
                done.dropped += 1
                return
            post.send(self._composer.compose(note, recipient))
        except PutOff as refused:
            if note.attempts + 1 < self._most_attempts:
                self._put_off(note, refused.reason)
                done.put_off += 1
            else:
                done.dead += self._bury(note, refused.reason)
        except Hopeless as refused:
            done.dead += self._bury(note, refused.reason)
        except (ServerAway, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - a template that stumbles over one note must not keep all others waiting behind it
            done.dead += self._bury(note, type(error).__name__)
        else:
            with self._database.writing() as connection:
                outbox.mark_delivered(connection, note, now=self._clock.now())
            done.delivered += 1
            _log.info("mail.delivered", message_id=note.id, topic=note.topic, attempts=note.attempts + 1)

    def _handle(self, handler: Handler, note: Note) -> None:
        with self._database.transaction(Client("", "outbox", note.id)) as session:
            if outbox.settle(session.connection(), note, now=self._clock.now()):
                handler(session, note)
        _log.info("outbox.handled", message_id=note.id, topic=note.topic)

    def _put_off(self, note: Note, reason: str) -> None:
        with self._database.writing() as connection:
            outbox.put_off(connection, note, reason=reason, until=self._clock.now() + delay_after(note.attempts + 1))
        _log.info("mail.put_off", message_id=note.id, topic=note.topic, attempts=note.attempts + 1, reason=reason)

    def _bury(self, note: Note, reason: str) -> bool:
        """Whether it is dead now: somebody else may have it in hand meanwhile."""
        with self._database.writing() as connection:
            is_dead = outbox.bury(connection, note, reason=reason, now=self._clock.now())
            if is_dead:
                details = {"message_id": note.id, "topic": note.topic, "attempts": note.attempts + 1, "reason": reason}
                self._record(connection, "dead", note.user_id, details)
        if is_dead:
            _log.warning("mail.dead", message_id=note.id, topic=note.topic, attempts=note.attempts + 1, reason=reason)
        return is_dead

    def _drop(self, note: Note) -> None:
        """The account is gone: there is nobody to tell."""
        with self._database.writing() as connection:
            _drop(connection, self._record, note.id, reason="no_account")
        _log.info("mail.dropped", message_id=note.id, topic=note.topic, reason="no_account")

    def _sweep(self) -> None:
        now = self._clock.now()
        if now - self._swept_at >= _SWEEP_EVERY:
            self._swept_at = now
            with self._database.writing() as connection:
                outbox.sweep(connection, before=now - self._keep)


class Undelivered:
    """What operators may do about messages that were not delivered."""

    def __init__(self, *, database: Database, clock: Clock, record: Record) -> None:
        self._database = database
        self._clock = clock
        self._record = record

    def list_all(self, *, only_dead: bool, most: int) -> Sequence[Row[Any]]:
        """What waits or is dead, the longest waiting first."""
        with self._database.reading() as connection:
            return outbox.list_undelivered(connection, only_dead=only_dead, most=most)

    def count_waiting(self) -> int:
        with self._database.reading() as connection:
            return outbox.count_waiting(connection)

    def retry(self, message_id: str | None) -> int:
        """Have a message tried now, or with None all that are dead. How many they were."""
        with self._database.writing() as connection:
            return outbox.revive(connection, message_id, now=self._clock.now())

    def drop(self, message_id: str) -> bool:
        """Remove a message. False when there is none, or it is delivered."""
        with self._database.writing() as connection:
            return _drop(connection, self._record, message_id, reason="command")


def _drop(connection: Connection, record: Record, message_id: str, *, reason: str) -> bool:
    removed = outbox.forget(connection, message_id)
    if removed is not None:
        record(connection, "dropped", removed.user_id, {"message_id": message_id, "topic": removed.topic, "reason": reason})
    return removed is not None


def delay_after(attempts: int) -> timedelta:
    """How long a message waits after so many refusals: 15 seconds, doubled each time, at most an hour, and up to a quarter less.

    Less by chance, so that messages which were refused together do not all come back together.
    """
    whole: timedelta = min(_FIRST_DELAY * (1 << min(attempts - 1, 16)), _LONGEST_DELAY)
    return whole * _dice.uniform(0.75, 1.0)

"""So many messages of one kind for one recipient: nobody can be flooded through us."""

from datetime import timedelta

from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.core.clock import Clock
from secureapi.core.outbox import Note
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.attempts import Attempts, Bound
from secureapi.security.trail import Trail
from secureapi.users.mailboxes import recipient_hash
from secureapi.users.models import User
from secureapi.users.rules import canonical_email

_MANY = Bound(60, timedelta(hours=1))
_SOME = Bound(15, timedelta(hours=1))


class MailBudget:
    """Counts messages, in the transaction of whoever delivers. Each kind by itself: one cannot be used up by way of another.

    There are two bounds. `allows` is the narrow one, for what strangers can cause; `allows_many` is for everything else, so wide that a
    thief who wants to use it up has told of himself sixty times.
    """

    def __init__(self, *, attempts: Attempts, clock: Clock, secret_box: SecretBox, trail: Trail) -> None:
        self._few = attempts
        self._many = Attempts(clock=clock, bound=lambda: _MANY)
        self._some = Attempts(clock=clock, bound=lambda: _SOME)
        self._secrets = secret_box
        self._trail = trail

    def allows(self, session: Session, note: Note, *, topic: str, whom: str, user_id: str, is_due: bool = False) -> bool:
        """Whether one more may go out, which counts it. `whom` is the id of an account, or the keyed hash of a recipient.

        One that is left out leaves an event. One that is due goes out in any case, and is counted with the others.
        """
        return self._is_counted(session, note, self._few, f"{topic}:{whom}", topic=topic, user_id=user_id, is_due=is_due)

    def allows_many(self, session: Session, note: Note, *, topic: str, user: User) -> bool:
        """The same for the wide bound, which is narrower for an address that nobody has confirmed.

        There all accounts of a mailbox are counted together: somebody may open a hundred in the name of one person. A confirmed one is
        counted by itself, so that none of the hundred can use up what its owner is told.
        """
        attempts, whom = (self._many, user.id) if user.is_email_verified else (self._some, self.recipient(user.email))
        return self._is_counted(session, note, attempts, f"{topic}:{whom}:many", topic=topic, user_id=user.id)

    def allows_unconfirmed(self, session: Session, note: Note, *, topic: str, user: User, address: str) -> bool:
        """The narrow bound for all notices together that go to an address that nobody has confirmed, about whichever account.

        All but those that strangers can cause, which have `allows`.
        """
        return self._is_counted(session, note, self._few, f"unconfirmed:{self.recipient(address)}", topic=topic, user_id=user.id)

    def recipient(self, address: str) -> str:
        """The keyed hash of whoever reads at an address."""
        try:
            canonical = canonical_email(address)
        except ValueError:
            # An account that was left without an address: nobody reads there, and nothing can be sent.
            canonical = address
        return recipient_hash(self._secrets, canonical)

    def _is_counted(
        self, session: Session, note: Note, attempts: Attempts, key: str, *, topic: str, user_id: str, is_due: bool = False
    ) -> bool:
        attempt = attempts.reserve(session, key)
        if attempt.number == 1:
            attempts.sweep(session)
        if attempt.is_allowed or is_due:
            return True
        client = Client("", "outbox", note.id)
        self._trail.record(session, events.MAIL_WITHHELD, client=client, subject_id=user_id, topic=topic)
        return False

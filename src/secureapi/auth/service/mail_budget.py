"""So many messages of one kind for one recipient, where strangers can cause them: nobody can be flooded through us."""

from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.core.outbox import Note
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempts
from secureapi.security.trail import Trail


class MailBudget:
    """Counts messages, in the transaction of whoever delivers. Each kind by itself: one cannot be used up by way of another."""

    def __init__(self, *, attempts: Attempts, trail: Trail) -> None:
        self._attempts = attempts
        self._trail = trail

    def allows(self, session: Session, note: Note, *, topic: str, whom: str, user_id: str) -> bool:
        """Whether one more may go out, which counts it. `whom` is the id of an account, or the keyed hash of an address.

        One that is left out leaves an event.
        """
        attempt = self._attempts.reserve(session, f"{topic}:{whom}")
        if attempt.number == 1:
            self._attempts.sweep(session)
        if not attempt.is_allowed:
            client = Client("", "outbox", note.id)
            self._trail.record(session, events.MAIL_WITHHELD, client=client, subject_id=user_id, topic=topic)
        return attempt.is_allowed

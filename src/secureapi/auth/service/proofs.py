"""The password of somebody who is signed in, as a proof that it is he: neither a thief's way to guess it, nor to lock the owner out.

Wrong ones are counted for the session, apart from those at the sign-in. With the last that is allowed the session ends: whoever guesses
holds a stolen access token, which is then worth nothing, and the owner signs in as before.
"""

from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.callers import Callers
from secureapi.auth.errors import WrongCurrentPassword
from secureapi.auth.repository import SessionRepository
from secureapi.auth.service.guesses import Guess, Guesses
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Unauthenticated
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempt, Attempts, Kind
from secureapi.security.events import EventType
from secureapi.security.identity import Identity
from secureapi.security.trail import Trail
from secureapi.users.models import User
from secureapi.users.repository import UserRepository


class Proofs:
    """Takes them."""

    def __init__(
        self, *, database: Database, clock: Clock, trail: Trail, outbox: Outbox, guesses: Guesses, callers: Callers, kind: Kind
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._guesses = guesses
        self._callers = callers
        self._kind = kind
        self._attempts = Attempts.of(kind, clock)

    def take(self, password: str, *, caller: Identity, client: Client, refusal: EventType) -> User:
        """The caller's account, if this is its password; `refusal` is the event of the use case that needs the proof.

        Raises `WrongCurrentPassword`, when all that has to be kept is kept, and `Unauthenticated` where the account is gone by now.
        """
        key = self._kind.key(caller.session_id)
        with self._database.transaction(client) as session:
            # Locked, so that nobody deletes it while the attempt is counted for it.
            user = UserRepository(session).find_locked(caller.user_id, is_patient=True)
            if user is None:
                raise Unauthenticated
            attempt = self._attempts.reserve(session, key, user_id=user.id)
        guess = Guess((key,), attempt, attempt, whose=user.id)
        is_right = self._guesses.is_right(password, user.password_hash, guess=guess, client=client)
        reason = _reason(user, attempt, is_right=is_right)
        if reason:
            self._refuse(reason, attempt, caller, client, refusal)
            raise WrongCurrentPassword
        return user

    def accept(self, session: Session, caller: Identity) -> None:
        """Forget the wrong ones before a right one."""
        self._attempts.clear(session, self._kind.key(caller.session_id))

    def _refuse(self, reason: str, attempt: Attempt, caller: Identity, client: Client, refusal: EventType) -> None:
        with self._database.transaction(client) as session:
            has_ended = attempt.is_last and self._end(session, caller)
            self._trail.record(session, refusal, client=client, actor=caller, subject_id=caller.user_id, reason=reason)
            if has_ended:
                self._trail.record(session, events.SESSION_GUESSED, client=client, actor=caller, subject_id=caller.user_id)
                self._outbox.add(session, "notice.guesses", user_id=caller.user_id, address=client.address)
            if attempt.number == 1:
                self._attempts.sweep(session)
        if has_ended:
            self._callers.session_ended(caller.user_id, caller.session_id)

    def _end(self, session: Session, caller: Identity) -> bool:
        """End the session, unless a right password has come in between. Whether it was still going."""
        owner = UserRepository(session).find_locked(caller.user_id, is_patient=True)
        if owner is None or not self._attempts.is_locked(session, self._kind.key(caller.session_id)):
            return False
        return SessionRepository(session).end_one_of(caller.user_id, caller.session_id, reason="guesses", now=self._clock.now())


def _reason(user: User, attempt: Attempt, *, is_right: bool) -> str:
    """Why the proof is none; nothing where it is one."""
    if not attempt.is_allowed:
        return "locked"
    if not is_right:
        return "wrong_password"
    return "password_refused" if user.password_refused_since else ""

"""Proving once more who one is, without opening another session: for what is dangerous (RFC 9470)."""

from datetime import datetime

from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.errors import WrongCurrentPassword
from secureapi.auth.models import UserSession
from secureapi.auth.repository import SessionRepository
from secureapi.auth.service.guesses import Guesses
from secureapi.auth.service.sign_in import BY_PASSWORD, attempts_key
from secureapi.auth.service.token_pair import FreshToken, TokenPairs
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempts
from secureapi.security.events import ACCOUNT_LOCKED
from secureapi.security.identity import Identity
from secureapi.security.trail import Trail
from secureapi.users.models import User
from secureapi.users.repository import UserRepository


class Reauthentication:
    """Makes the proof of a session fresh."""

    def __init__(
        self, *, database: Database, clock: Clock, trail: Trail, guesses: Guesses, attempts: Attempts, token_pairs: TokenPairs
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._guesses = guesses
        self._attempts = attempts
        self._token_pairs = token_pairs

    def prove_again(self, *, password: str, caller: Identity, client: Client) -> FreshToken:
        """Take the password of somebody who is signed in, and give a token of the same session with a fresh `auth_time`.

        Wrong attempts count together with those at the login: a stolen access token must not be a way to guess on. Tokens that are
        out already keep the `auth_time` they have, so a thief of an access token gains nothing when its owner comes by here; whoever
        shares the refresh token does, until that is noticed at the next exchange.
        Raises `WrongCurrentPassword`.
        """
        with self._database.transaction(client) as session:
            user = UserRepository(session).get(caller.user_id)
            attempt = self._attempts.reserve(session, attempts_key(user.id))
        is_right = self._guesses.is_right(password, user.password_hash, key=attempts_key(user.id), client=client)
        if not is_right or not attempt.is_allowed:
            reason = "wrong_password" if attempt.is_allowed else "locked"
            self._remember_refusal(reason, caller, client, is_last=attempt.is_last)
            raise WrongCurrentPassword
        now = self._clock.now()
        with self._database.transaction(client) as session:
            # Locked and looked at again: the account, its password or the session may have gone while we hashed.
            present = UserRepository(session).get(user.id, lock=True)
            family = self._still_going(session, present, known=user, session_id=caller.session_id, now=now)
            if family is not None:
                self._attempts.clear(session, attempts_key(user.id))
                family.authenticated_at, family.methods = now, BY_PASSWORD
                self._trail.record(session, events.REAUTHENTICATED, client=client, actor=caller, subject_id=user.id, methods=[BY_PASSWORD])
        if family is None:
            self._remember_refusal("changed_meanwhile", caller, client)
            raise WrongCurrentPassword
        return self._token_pairs.access_of(family, user_id=user.id, role=present.role)

    def _still_going(self, session: Session, present: User, *, known: User, session_id: str, now: datetime) -> UserSession | None:
        """The session, if nothing has changed since the password was looked at."""
        if not present.is_active or present.password_changed_at != known.password_changed_at:
            return None
        return SessionRepository(session).find_living(session_id, now=now)

    def _remember_refusal(self, reason: str, caller: Identity, client: Client, *, is_last: bool = False) -> None:
        with self._database.transaction(client) as session:
            self._trail.record(
                session, events.REAUTHENTICATION_REFUSED, client=client, actor=caller, subject_id=caller.user_id, reason=reason
            )
            if is_last:
                self._trail.record(session, ACCOUNT_LOCKED, client=client, actor=caller, subject_id=caller.user_id)

"""Proving once more who one is, without opening another session: for what is dangerous (RFC 9470)."""

from datetime import datetime

from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.errors import WrongCurrentPassword
from secureapi.auth.models import UserSession
from secureapi.auth.repository import SessionRepository
from secureapi.auth.service.proofs import Proofs
from secureapi.auth.service.sign_in import BY_PASSWORD
from secureapi.auth.service.token_pair import FreshToken, TokenPairs
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.identity import Identity
from secureapi.security.trail import Trail
from secureapi.users.models import User
from secureapi.users.repository import UserRepository


class Reauthentication:
    """Makes the proof of a session fresh."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail, proofs: Proofs, token_pairs: TokenPairs) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._proofs = proofs
        self._token_pairs = token_pairs

    def prove_again(self, *, password: str, caller: Identity, client: Client) -> FreshToken:
        """Take the password of somebody who is signed in, and give a token of the same session with a fresh `auth_time`.

        The last wrong one that is allowed ends the session: a stolen access token must not be a way to guess on. Tokens that are out
        already keep the `auth_time` they have, so a thief of an access token gains nothing when its owner comes by here; whoever
        shares the refresh token does, until that is noticed at the next exchange.
        Raises `WrongCurrentPassword`.
        """
        user = self._proofs.take(password, caller=caller, client=client, refusal=events.REAUTHENTICATION_REFUSED)
        now = self._clock.now()
        with self._database.transaction(client) as session:
            # Locked and looked at again: the account, its password or the session may have gone while we hashed.
            present = UserRepository(session).find_locked(user.id, is_patient=True)
            family = self._still_going(session, present, known=user, session_id=caller.session_id, now=now) if present else None
            if family is not None:
                self._proofs.accept(session, caller)
                family.authenticated_at, family.methods = now, BY_PASSWORD
                self._trail.record(session, events.REAUTHENTICATED, client=client, actor=caller, subject_id=user.id, methods=[BY_PASSWORD])
            else:
                self._trail.record(
                    session,
                    events.REAUTHENTICATION_REFUSED,
                    client=client,
                    actor=caller,
                    subject_id=caller.user_id,
                    reason="changed_meanwhile",
                )
        if family is None:
            raise WrongCurrentPassword
        assert present is not None  # noqa: S101 - the session is his
        return self._token_pairs.access_of(family, user_id=user.id, role=present.role)

    def _still_going(self, session: Session, present: User, *, known: User, session_id: str, now: datetime) -> UserSession | None:
        """The session, if nothing has changed since the password was looked at."""
        is_changed = present.password_changed_at != known.password_changed_at or present.password_refused_since
        if not present.is_active_at(now) or is_changed:
            return None
        return SessionRepository(session).find_living(session_id, now=now)

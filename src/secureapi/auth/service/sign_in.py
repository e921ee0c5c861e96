"""Signing in with a password."""

from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.callers import Callers
from secureapi.auth.errors import InvalidCredentials
from secureapi.auth.models import UserSession
from secureapi.auth.refresh_tokens import RefreshTokens
from secureapi.auth.repository import SessionRepository
from secureapi.auth.service.guesses import Guesses
from secureapi.auth.service.token_pair import TokenPair, TokenPairs
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.attempts import Attempt, Attempts
from secureapi.security.events import ACCOUNT_LOCKED
from secureapi.security.passwords import PasswordHasher
from secureapi.security.trail import Trail
from secureapi.settings import Settings
from secureapi.users.models import User
from secureapi.users.repository import UserRepository
from secureapi.users.rules import canonical_login

__all__ = ["SignIn", "TokenPair"]

BY_PASSWORD = "pwd"  # noqa: S105 - the name of a method
"""The `amr` value of a password (RFC 8176)."""


def attempts_key(user_id: str) -> str:
    """Under which the wrong passwords of an account are counted, wherever they are tried."""
    return f"password:{user_id}"


class SignIn:
    """Opens sessions."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        clock: Clock,
        trail: Trail,
        secret_box: SecretBox,
        hasher: PasswordHasher,
        guesses: Guesses,
        attempts: Attempts,
        refresh_tokens: RefreshTokens,
        token_pairs: TokenPairs,
        callers: Callers,
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._trail = trail
        self._secrets = secret_box
        self._hasher = hasher
        self._guesses = guesses
        self._attempts = attempts
        self._refresh_tokens = refresh_tokens
        self._token_pairs = token_pairs
        self._callers = callers

    def log_in(self, *, login: str, password: str, client: Client) -> TokenPair:
        """Open a session with a username or an email address and a password.

        Raises `InvalidCredentials`, one answer for unknown, wrong, locked and disabled alike, after the same work: an attempt is
        reserved, a password is hashed, an event is kept. No connection is held while the password is hashed.
        """
        canonical = canonical_login(login)
        typed = self._secrets.fingerprint("login", canonical)
        with self._database.transaction(client) as session:
            user = UserRepository(session).find_by_login(canonical)
            key = attempts_key(user.id if user else typed[:32])
            attempt = self._attempts.reserve(session, key)
        is_right = self._guesses.is_right(password, user.password_hash if user else None, key=key, client=client)
        if user is None or not is_right or not attempt.is_allowed or not user.is_active:
            self._remember_refusal(user, typed, attempt, is_right=is_right, client=client)
            raise InvalidCredentials
        new_hash = self._hasher.rehashed(password, user.password_hash)
        return self._open(user, new_hash, client=client)

    def _open(self, user: User, new_hash: str | None, *, client: Client) -> TokenPair:
        now = self._clock.now()
        token = self._refresh_tokens.first(new_id())
        opened = UserSession(
            id=token.session_id,
            user_id=user.id,
            token_hash=token.hash,
            generation=0,
            created_at=now,
            last_used_at=now,
            idle_expires_at=now + self._settings.refresh_token_lifetime,
            expires_at=now + self._settings.session_lifetime,
            authenticated_at=now,
            methods=BY_PASSWORD,
            address=client.address,
            user_agent=client.user_agent,
        )
        displaced: list[str] = []
        with self._database.transaction(client) as session:
            # Locked and looked at again: the account may have been disabled, or its password changed, while we hashed.
            present = UserRepository(session).get(user.id, lock=True)
            is_unchanged = present.is_active and present.password_changed_at == user.password_changed_at
            if is_unchanged:
                self._attempts.clear(session, attempts_key(user.id))
                displaced = SessionRepository(session).make_room(user.id, most=self._settings.max_sessions_per_user, now=now)
                SessionRepository(session).add(opened)
                for session_id in displaced:
                    self._trail.record(session, events.SESSION_DISPLACED, client=client, subject_id=user.id, session_id=session_id)
                self._trail.record(
                    session, events.LOGGED_IN, client=client, actor=user.id, subject_id=user.id, session_id=opened.id, methods=[BY_PASSWORD]
                )
                if new_hash and present.password_hash == user.password_hash:
                    present.password_hash = new_hash
                    self._trail.record(session, events.PASSWORD_REHASHED, client=client, subject_id=user.id)
            else:
                self._trail.record(session, events.LOGIN_REFUSED, client=client, subject_id=user.id, reason="changed_meanwhile")
            role = present.role
        if not is_unchanged:
            raise InvalidCredentials
        if displaced:
            # One mark, however many they are: while Redis is away each one holds the answer.
            self._callers.user_changed(user.id)
        return self._token_pairs.of(opened, user_id=user.id, role=role, token=token)

    def _remember_refusal(self, user: User | None, typed: str, attempt: Attempt, *, is_right: bool, client: Client) -> None:
        reason = _reason(user, attempt, is_right=is_right)
        with self._database.transaction(client) as session:
            details = {"reason": reason} if user else {"reason": reason, "login": typed}
            self._trail.record(session, events.LOGIN_REFUSED, client=client, subject_id=user.id if user else None, **details)
            if attempt.number == 1:
                self._attempts.sweep(session)
            if attempt.is_last and reason != "disabled":
                self._lock_fell(session, user, typed, client)

    def _lock_fell(self, session: Session, user: User | None, typed: str, client: Client) -> None:
        details = {} if user else {"login": typed}
        self._trail.record(session, ACCOUNT_LOCKED, client=client, subject_id=user.id if user else None, **details)


def _reason(user: User | None, attempt: Attempt, *, is_right: bool) -> str:
    if user is None:
        return "unknown"
    if not attempt.is_allowed:
        return "locked"
    return "disabled" if is_right else "wrong_password"

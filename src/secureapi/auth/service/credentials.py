"""Changing passwords, and what administrators do to accounts that must end sessions at once."""

from secureapi.auth import events
from secureapi.auth.callers import Callers
from secureapi.auth.errors import PasswordChangedMeanwhile, WrongCurrentPassword
from secureapi.auth.repository import SessionRepository
from secureapi.auth.service.guesses import Guesses
from secureapi.auth.service.new_passwords import NewPasswords
from secureapi.auth.service.sign_in import attempts_key
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempts
from secureapi.security.errors import WeakPassword
from secureapi.security.events import ACCOUNT_LOCKED, ACCOUNT_UNLOCKED
from secureapi.security.identity import Identity
from secureapi.security.passwords import PasswordHasher
from secureapi.security.permissions import Role
from secureapi.security.trail import Trail
from secureapi.users import events as user_events
from secureapi.users.errors import LastAdministrator
from secureapi.users.models import Status, User
from secureapi.users.repository import UserRepository

_TRIES = 5
"""So often a password is looked at anew because another one was set meanwhile."""


class Credentials:
    """Passwords of accounts that exist, and whether those accounts may be used."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        trail: Trail,
        hasher: PasswordHasher,
        guesses: Guesses,
        new_passwords: NewPasswords,
        attempts: Attempts,
        callers: Callers,
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._hasher = hasher
        self._guesses = guesses
        self._new_passwords = new_passwords
        self._attempts = attempts
        self._callers = callers

    def change_password(self, *, current_password: str, new_password: str, caller: Identity, client: Client) -> None:
        """Change one's own password; every other session ends.

        Wrong attempts count together with those at the login: a stolen access token must not be a way to guess on.
        Raises `WrongCurrentPassword`, `WeakPassword`.
        """
        with self._database.transaction(client) as session:
            user = UserRepository(session).get(caller.user_id)
            attempt = self._attempts.reserve(session, attempts_key(user.id))
        is_right = self._guesses.is_right(current_password, user.password_hash, key=attempts_key(user.id), client=client)
        if not is_right or not attempt.is_allowed:
            reason = "wrong_password" if attempt.is_allowed else "locked"
            self._remember_refusal(reason, user.id, caller, client, is_last=attempt.is_last)
            raise WrongCurrentPassword
        with self._database.transaction(client) as session:
            self._attempts.clear(session, attempts_key(user.id))
        try:
            self._new_passwords.refuse_unfit(user, new_password, present=current_password, client=client)
        except WeakPassword as weak:
            self._remember_refusal(weak.code, user.id, caller, client)
            raise
        if not self._replace(user, self._hasher.hash(new_password), caller, client):
            self._remember_refusal("changed_meanwhile", user.id, caller, client)
            raise WrongCurrentPassword
        self._callers.user_changed(user.id)

    def _replace(self, known: User, password_hash: str, caller: Identity, client: Client) -> bool:
        """Put the new hash in place and end the other sessions, unless it was changed, or the caller thrown out, while we hashed."""
        now = self._clock.now()
        with self._database.transaction(client) as session:
            user = UserRepository(session).get(known.id, lock=True)
            is_let_in = user.is_active and SessionRepository(session).find_living(caller.session_id, now=now) is not None
            if not is_let_in or user.password_changed_at != known.password_changed_at:
                return False
            self._new_passwords.put(session, user, password_hash, now=now)
            ended = SessionRepository(session).end_all_of(user.id, reason="password_changed", now=now, except_id=caller.session_id)
            self._trail.record(session, events.PASSWORD_CHANGED, client=client, actor=caller, subject_id=user.id, ended=ended)
        return True

    def _remember_refusal(self, reason: str, user_id: str, caller: Identity, client: Client, *, is_last: bool = False) -> None:
        with self._database.transaction(client) as session:
            self._trail.record(session, events.PASSWORD_CHANGE_REFUSED, client=client, actor=caller, subject_id=user_id, reason=reason)
            if is_last:
                self._trail.record(session, ACCOUNT_LOCKED, client=client, actor=caller, subject_id=user_id)

    def set_password(self, *, user_id: str, new_password: str, client: Client) -> None:
        """Give an account a new password, as an administrator; all of its sessions end and its lock is lifted.

        Raises `WeakPassword`, and `PasswordChangedMeanwhile` when others do the same all the time.
        """
        for _ in range(_TRIES):
            with self._database.transaction(client) as session:
                user = UserRepository(session).get(user_id)
            self._new_passwords.refuse_unfit(user, new_password, client=client)
            if self._set(user, self._hasher.hash(new_password), client):
                self._callers.user_changed(user_id)
                return
        raise PasswordChangedMeanwhile

    def _set(self, known: User, password_hash: str, client: Client) -> bool:
        """Put the hash in place, unless the history that was looked at is no longer the present one."""
        now = self._clock.now()
        with self._database.transaction(client) as session:
            user = UserRepository(session).get(known.id, lock=True)
            if self._new_passwords.has_history and user.password_hash != known.password_hash:
                return False
            self._new_passwords.put(session, user, password_hash, now=now)
            self._attempts.clear(session, attempts_key(user.id))
            ended = SessionRepository(session).end_all_of(user.id, reason="password_set", now=now)
            self._trail.record(session, events.PASSWORD_SET, client=client, subject_id=user.id, ended=ended)
        return True

    def disable(self, *, user_id: str, client: Client) -> bool:
        """Disable an account and end its sessions. Whether it was active. Raises `LastAdministrator`."""
        return self._switch(user_id, Status.DISABLED, client)

    def enable(self, *, user_id: str, client: Client) -> bool:
        """Enable an account again; its old sessions stay ended. Whether it was disabled."""
        return self._switch(user_id, Status.ACTIVE, client)

    def unlock(self, *, user_id: str, client: Client) -> bool:
        """Forget the wrong attempts of an account. Whether there were any."""
        with self._database.transaction(client) as session:
            UserRepository(session).get(user_id)
            was_locked = self._attempts.clear(session, attempts_key(user_id))
            if was_locked:
                self._trail.record(session, ACCOUNT_UNLOCKED, client=client, subject_id=user_id)
        return was_locked

    def is_locked(self, *, user_id: str) -> bool:
        """Whether an account takes no password just now."""
        with self._database.transaction() as session:
            return self._attempts.is_locked(session, attempts_key(user_id))

    def _switch(self, user_id: str, status: Status, client: Client) -> bool:
        now = self._clock.now()
        with self._database.transaction(client) as session:
            if status is Status.DISABLED and UserRepository(session).lock_active(Role.ADMIN) == [user_id]:
                raise LastAdministrator
            user = UserRepository(session).get(user_id, lock=True)
            is_new = user.status != status
            if is_new:
                user.status, user.updated_at = status.value, now
                happened = user_events.ENABLED if status is Status.ACTIVE else user_events.DISABLED
                self._trail.record(session, happened, client=client, subject_id=user_id)
            if status is Status.DISABLED:
                SessionRepository(session).end_all_of(user_id, reason="disabled", now=now)
        self._callers.user_changed(user_id)
        return is_new

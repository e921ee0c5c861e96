"""Passwords of accounts: changed by their owners, and set at the command line. What becomes of accounts is in `administration.py`."""

from secureapi.auth import events
from secureapi.auth.callers import Callers
from secureapi.auth.device_tokens import NOTHING, DeviceTokens, Presented
from secureapi.auth.errors import PasswordChangedMeanwhile, WrongCurrentPassword
from secureapi.auth.repository import SessionRepository
from secureapi.auth.service.lanes import Lanes
from secureapi.auth.service.new_passwords import NewPasswords
from secureapi.auth.service.proofs import Proofs
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.identifiers import new_id
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempts
from secureapi.security.errors import WeakPassword
from secureapi.security.identity import Identity
from secureapi.security.passwords import PasswordHasher
from secureapi.security.trail import Trail
from secureapi.users.models import User
from secureapi.users.repository import UserRepository

_TRIES = 5
"""So often a password is looked at anew because another one was set meanwhile."""


class Credentials:
    """Passwords of accounts that exist."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        trail: Trail,
        outbox: Outbox,
        hasher: PasswordHasher,
        proofs: Proofs,
        new_passwords: NewPasswords,
        attempts: Attempts,
        lanes: Lanes,
        device_tokens: DeviceTokens,
        callers: Callers,
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._hasher = hasher
        self._proofs = proofs
        self._new_passwords = new_passwords
        self._attempts = attempts
        self._lanes = lanes
        self._device_tokens = device_tokens
        self._callers = callers

    def change_password(
        self, *, current_password: str, new_password: str, device: Presented = NOTHING, caller: Identity, client: Client
    ) -> str:
        """Change one's own password; every other session ends, and no device is known any more.

        But for the caller's own: if it was known, what it is to be known by from now on is the result; an empty text otherwise.
        Raises `WrongCurrentPassword`, `WeakPassword`.
        """
        user = self._proofs.take(current_password, caller=caller, client=client, refusal=events.PASSWORD_CHANGE_REFUSED)
        with self._database.transaction(client) as session:
            self._proofs.accept(session, caller)
        try:
            self._new_passwords.refuse_unfit(user, new_password, present=current_password, client=client)
        except WeakPassword as weak:
            self._remember_refusal(weak.code, user.id, caller, client)
            raise
        known_by = self._replace(user, self._hasher.hash(new_password, whose=user.id), device, caller, client)
        if known_by is None:
            self._remember_refusal("changed_meanwhile", user.id, caller, client)
            raise WrongCurrentPassword
        self._callers.user_changed(user.id)
        return known_by

    def _replace(self, known: User, password_hash: str, device: Presented, caller: Identity, client: Client) -> str | None:
        """Put the new hash in place and end the other sessions. What the device is known by; None where nothing was done.

        That is when the password was changed, or the caller thrown out or deleted, while we hashed.
        """
        now = self._clock.now()
        with self._database.transaction(client) as session:
            user = UserRepository(session).find_locked(known.id, is_patient=True)
            if user is None or not user.is_active_at(now):
                return None
            family = SessionRepository(session).find_living(caller.session_id, now=now)
            if family is None or user.password_changed_at != known.password_changed_at or user.password_refused_since:
                return None
            is_known = device.find(user.id, since=user.devices_since) is not None
            self._new_passwords.put(session, user, password_hash, now=now)
            user.devices_since = now
            ended = SessionRepository(session).end_all_of(user.id, reason="password_changed", now=now, except_id=caller.session_id)
            self._trail.record(session, events.PASSWORD_CHANGED, client=client, actor=caller, subject_id=user.id, ended=ended)
            self._outbox.add(session, "notice.password_changed", user_id=user.id, address=client.address)
            if not is_known:
                return ""
            family.device_id = new_id()
            return self._device_tokens.issue(user.id, family.device_id, since=now, beside=device)

    def _remember_refusal(self, reason: str, user_id: str, caller: Identity, client: Client) -> None:
        with self._database.transaction(client) as session:
            self._trail.record(session, events.PASSWORD_CHANGE_REFUSED, client=client, actor=caller, subject_id=user_id, reason=reason)

    def set_password(self, *, user_id: str, new_password: str, client: Client) -> None:
        """Give an account a new password, as an administrator; all of its sessions end, its devices are forgotten, its locks lifted.

        Raises `WeakPassword`, and `PasswordChangedMeanwhile` when others do the same all the time.
        """
        for _ in range(_TRIES):
            with self._database.transaction(client) as session:
                user = UserRepository(session).get(user_id)
            self._new_passwords.refuse_unfit(user, new_password, client=client)
            if self._set(user, self._hasher.hash(new_password, whose=user.id), client):
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
            user.devices_since = now
            self._attempts.clear_all(session, user.id)
            ended = SessionRepository(session).end_all_of(user.id, reason="password_set", now=now)
            self._trail.record(session, events.PASSWORD_SET, client=client, subject_id=user.id, ended=ended)
            self._outbox.add(session, "notice.password_changed", user_id=user.id, address=client.address, by_administrator=True)
        return True

    def is_locked(self, *, user_id: str) -> bool:
        """Whether an account takes no password of strangers just now. Devices and addresses that it knows have locks of their own."""
        with self._database.transaction() as session:
            return self._attempts.is_locked(session, self._lanes.strangers_of(user_id))

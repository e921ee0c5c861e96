"""Signing in with a password."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.callers import Callers
from secureapi.auth.device_tokens import NOTHING, DeviceTokens, Presented
from secureapi.auth.devices import device_for_mail
from secureapi.auth.errors import InvalidCredentials
from secureapi.auth.models import UserSession
from secureapi.auth.refresh_tokens import RefreshTokens
from secureapi.auth.repository import SessionRepository
from secureapi.auth.service.guesses import Guess, Guesses
from secureapi.auth.service.lanes import Lane, Lanes
from secureapi.auth.service.token_pair import TokenPair, TokenPairs
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.identifiers import new_id
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.attempts import Attempt, Attempts
from secureapi.security.events import ACCOUNT_LOCKED
from secureapi.security.passwords import PasswordHasher
from secureapi.security.trail import Trail
from secureapi.settings.in_force import Present
from secureapi.users.models import Status, User
from secureapi.users.repository import UserRepository
from secureapi.users.rules import canonical_login

__all__ = ["SignIn", "SignedIn", "TokenPair"]

BY_PASSWORD = "pwd"  # noqa: S105 - the name of a method
"""The `amr` value of a password (RFC 8176)."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What somebody gets who has signed in."""

    pair: TokenPair
    device_token: str = field(repr=False)
    """By which his device is known from now on."""


@dataclass(frozen=True, slots=True)
class _Try:
    """One attempt, and what we know about whoever makes it."""

    user: User | None
    typed: str
    """A keyed hash of the name that was typed."""
    lane: Lane
    attempt: Attempt
    """In the lane: whether it is looked at, and whether the lock falls."""
    pace: Attempt
    """What decides about the delay: of a stranger, and of a name that nobody has, the attempts with this very name."""
    device: Presented
    client: Client

    @property
    def guess(self) -> Guess:
        """A lane that is locked is nobody's way past the queue."""
        keys = (self.lane.key, self.lane.typed_key) if self.lane.typed_key else (self.lane.key,)
        is_known = self.user is not None and self.lane.is_known and self.attempt.is_allowed
        return Guess(keys, self.attempt, self.pace, whose=self.user.id if self.user and is_known else "")


class SignIn:
    """Opens sessions."""

    def __init__(
        self,
        *,
        settings: Present,
        database: Database,
        clock: Clock,
        trail: Trail,
        outbox: Outbox,
        secret_box: SecretBox,
        hasher: PasswordHasher,
        guesses: Guesses,
        attempts: Attempts,
        lanes: Lanes,
        device_tokens: DeviceTokens,
        refresh_tokens: RefreshTokens,
        token_pairs: TokenPairs,
        callers: Callers,
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._secrets = secret_box
        self._hasher = hasher
        self._guesses = guesses
        self._attempts = attempts
        self._lanes = lanes
        self._device_tokens = device_tokens
        self._refresh_tokens = refresh_tokens
        self._token_pairs = token_pairs
        self._callers = callers

    def log_in(
        self, *, login: str, password: str, device: Presented = NOTHING, count_as_stranger: Callable[[], None], client: Client
    ) -> SignedIn:
        """Open a session with a username or an email address and a password.

        `device` is what came along to know the device by. `count_as_stranger` counts the request for its address and raises when that
        is too much: it is called when the device is one of ours, but not of the account that is named, whether or not there is one.

        Raises `InvalidCredentials`, one answer for unknown, wrong, locked, disabled and refused alike, after the same work: an attempt
        is reserved, a password is hashed, an event is kept. No connection is held while somebody waits or a password is hashed.
        """
        tried = self._reserve(canonical_login(login), device, count_as_stranger, client)
        user = tried.user
        stored = user.password_hash if user else None
        is_right = self._guesses.is_right(password, stored, guess=tried.guess, client=client)
        reason = _refused_for(user, tried.attempt, is_right=is_right, now=self._clock.now())
        if user is None or reason:
            self._remember_refusal(tried, reason)
            raise InvalidCredentials
        return self._open(user, tried, self._hasher.rehashed(password, user.password_hash, whose=user.id))

    def _reserve(self, canonical: str, device: Presented, count_as_stranger: Callable[[], None], client: Client) -> _Try:
        typed = self._secrets.fingerprint("login", canonical)
        with self._database.transaction(client) as session:
            user = UserRepository(session).find_by_login(canonical)
            lane = self._lanes.choose(session, user, typed, presented=device, client=client)
            if not lane.is_known:
                self._hasher.refuse_strangers_if_full()
            is_counted = device.device_id is None or (lane.token is not None and lane.token.device_id == device.device_id)
            if is_counted:
                attempt, pace = self._count(session, lane, user)
        if not is_counted:
            # Outside of the transaction: the counter may be on another machine.
            count_as_stranger()
            with self._database.transaction(client) as session:
                attempt, pace = self._count(session, lane, user)
        return _Try(user, typed, lane, attempt, pace, device, client)

    def _count(self, session: Session, lane: Lane, user: User | None) -> tuple[Attempt, Attempt]:
        """Reserve the attempt, in the lane and at the pace. What was typed is nobody's: unlocking an account does not forget it."""
        attempt = self._attempts.reserve(session, lane.key, user_id=user.id if user else None)
        return attempt, self._attempts.reserve(session, lane.typed_key) if lane.typed_key else attempt

    def _open(self, user: User, tried: _Try, new_hash: str | None) -> SignedIn:
        now, client, settings = self._clock.now(), tried.client, self._settings.now
        token = self._refresh_tokens.first(new_id())
        opened = UserSession(
            id=token.session_id,
            user_id=user.id,
            token_hash=token.hash,
            generation=0,
            created_at=now,
            last_used_at=now,
            idle_expires_at=now + settings.refresh_token_lifetime,
            expires_at=now + settings.session_lifetime,
            authenticated_at=now,
            methods=BY_PASSWORD,
            address=client.address,
            user_agent=client.user_agent,
        )
        # Before the transaction: the first look at an agent takes a while.
        new_device = "" if tried.lane.is_known or tried.lane.is_first_sign_in else device_for_mail(client.user_agent)
        displaced: list[str] = []
        device_token = ""
        with self._database.transaction(client) as session:
            # Locked and looked at again: the account may have been deleted or disabled, or its password changed, while we hashed.
            present = UserRepository(session).find_locked(user.id, is_patient=True)
            if present and _is_open(present, now) and present.password_changed_at == user.password_changed_at:
                role = present.role
                if present.status != Status.ACTIVE:
                    # The end of a lock has come. Whoever asks about a session looks at nothing but the status of its owner.
                    present.set_status(Status.ACTIVE)
                self._attempts.clear(session, tried.lane.key)
                if tried.lane.typed_key:
                    # As if he had not been here, and not anew: whoever has typed this name in vain could tell by his next delay.
                    self._attempts.give_back(session, tried.lane.typed_key, unless_full=True)
                displaced = self._make_room(session, user.id, client)
                device_token = self._know_device(opened, present, tried.device)
                SessionRepository(session).add(opened)
                self._trail.record(
                    session, events.LOGGED_IN, client=client, actor=user.id, subject_id=user.id, session_id=opened.id, methods=[BY_PASSWORD]
                )
                if new_device:
                    self._outbox.add(session, "notice.new_device", user_id=user.id, address=client.address, device=new_device)
                if new_hash and present.password_hash == user.password_hash:
                    present.password_hash = new_hash
                    self._trail.record(session, events.PASSWORD_REHASHED, client=client, subject_id=user.id)
            else:
                self._trail.record(session, events.LOGIN_REFUSED, client=client, subject_id=user.id, reason="changed_meanwhile")
                role = None
        if role is None:
            raise InvalidCredentials
        if displaced:
            # One mark, however many they are: while Redis is away each one holds the answer.
            self._callers.user_changed(user.id)
        return SignedIn(self._token_pairs.of(opened, user_id=user.id, role=role, token=token), device_token)

    def _make_room(self, session: Session, user_id: str, client: Client) -> list[str]:
        displaced = SessionRepository(session).make_room(user_id, most=self._settings.now.max_sessions_per_user, now=self._clock.now())
        for session_id in displaced:
            self._trail.record(session, events.SESSION_DISPLACED, client=client, subject_id=user_id, session_id=session_id)
        return displaced

    def _know_device(self, opened: UserSession, user: User, device: Presented) -> str:
        """Note which device it is. What it is known by from now on."""
        opened.device_id = self._device_tokens.device_for(user.id, device, since=user.devices_since)
        return self._device_tokens.issue(user.id, opened.device_id, since=user.devices_since, beside=device)

    def _remember_refusal(self, tried: _Try, reason: str) -> None:
        user, attempt = tried.user, tried.attempt
        with self._database.transaction(tried.client) as session:
            details = {"reason": reason} if user else {"reason": reason, "login": tried.typed}
            self._trail.record(session, events.LOGIN_REFUSED, client=tried.client, subject_id=user.id if user else None, **details)
            if tried.pace.number == 1:
                self._attempts.sweep(session)
            # Asked again: another one before it may have been given back, and then the lock falls with the next.
            if attempt.is_last and reason != "disabled" and self._attempts.is_locked(session, tried.lane.key):
                self._lock_fell(session, tried)

    def _lock_fell(self, session: Session, tried: _Try) -> None:
        user, client, lane = tried.user, tried.client, tried.lane.kind
        details = {"lane": lane} if user else {"lane": lane, "login": tried.typed}
        self._trail.record(session, ACCOUNT_LOCKED, client=client, subject_id=user.id if user else None, **details)
        if user and user.is_active_at(self._clock.now()):
            self._outbox.add(session, "notice.locked", user_id=user.id, address=client.address, lane=lane)


def _refused_for(user: User | None, attempt: Attempt, *, is_right: bool, now: datetime) -> str:
    """Why nobody is let in; nothing where somebody is."""
    if user is None:
        return "unknown"
    if not attempt.is_allowed:
        return "locked"
    if not is_right:
        return "wrong_password"
    if _is_open(user, now):
        return ""
    return "password_refused" if user.is_active_at(now) else "disabled"


def _is_open(user: User, now: datetime) -> bool:
    """Whether the right password opens this account."""
    return user.is_active_at(now) and user.password_refused_since is None

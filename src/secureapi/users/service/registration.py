"""Opening accounts: at once, or after somebody who reads mail at the address has confirmed it (`EMAIL_VERIFICATION=required`).

What is sent to the address is in `registration_mail.py`; a request leaves a note for it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Refusal, Unavailable
from secureapi.core.identifiers import new_id
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import LinkRefused
from secureapi.security.passwords import PasswordHasher, PasswordPolicy, words_about
from secureapi.security.permissions import Role
from secureapi.security.trail import Trail
from secureapi.settings.in_force import Present
from secureapi.users import events
from secureapi.users.errors import RegistrationClosed, RegistrationRefused
from secureapi.users.mailboxes import address_hash
from secureapi.users.models import PendingRegistration, Status, User
from secureapi.users.names import canonical_or_refused, refuse_reserved
from secureapi.users.pending_registrations import PendingRegistrations
from secureapi.users.repository import UserRepository, find_person
from secureapi.users.rules import canonical_text

VERIFICATION = "request.verification"
"""The topic of the note about an account whose address is to be confirmed."""
REGISTRATION = "request.registration"
"""The topic of the note about an account that is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """An account that may be opened: everything about it has been looked at, except whether somebody has its names already."""

    username: str
    email: str
    email_canonical: str
    password_hash: str
    full_name: str | None

    def as_user(self, role: Role, *, now: datetime, is_verified: bool) -> User:
        return User(
            username=self.username,
            username_canonical=canonical_text(self.username),
            email=self.email,
            email_canonical=self.email_canonical,
            email_verified_at=now if is_verified else None,
            password_hash=self.password_hash,
            password_changed_at=now,
            full_name=self.full_name,
            role=role.value,
            status=Status.ACTIVE.value,
            created_at=now,
            updated_at=now,
        )


class Registration:
    """Opening accounts."""

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
        policy: PasswordPolicy,
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._secrets = secret_box
        self._hasher = hasher
        self._policy = policy

    def register(self, *, username: str, email: str, password: str, full_name: str | None = None, client: Client) -> Row[Any] | None:
        """Open an account for a stranger, with the role `user`. None where the address is to be confirmed first.

        Raises `RegistrationClosed`, `Invalid`, `WeakPassword`, and `RegistrationRefused` when a name is taken. Where the address is to
        be confirmed first, whether it is taken makes no difference, neither to the answer nor to the work.
        """
        try:
            self._refuse_while_closed()
            refuse_reserved(username)
            wanted = self._looked_at(username, email, password, full_name)
            if self._settings.now.email_verification == "required":
                self._keep_for_later(wanted, client=client)
                return None
            return self._open(wanted, Role.USER, client=client, by_administrator=False)
        except Unavailable:
            raise
        except Refusal as refusal:
            with self._database.transaction(client) as session:
                self._trail.record(session, events.REGISTRATION_REFUSED, client=client, reason=refusal.code)
            raise

    def create(self, *, username: str, email: str, password: str, role: Role, full_name: str | None = None, client: Client) -> Row[Any]:
        """Open an account for somebody, in any role. For administrators; the address counts as verified."""
        return self._open(self._looked_at(username, email, password, full_name), role, client=client, by_administrator=True)

    def confirm(self, session: Session, *, registration_id: str, client: Client) -> User:
        """Open an account whose address has been confirmed, in the transaction that has taken the link. Nobody is signed in.

        Raises `LinkRefused` when nobody waits for it any more, `RegistrationClosed`, and `RegistrationRefused` when the name or the
        address was taken meanwhile: then this registration is over, and the caller's transaction goes on and may be committed.
        """
        self._refuse_while_closed()
        now = self._clock.now()
        pending = PendingRegistrations(session, now=now)
        waiting = pending.lock_all_beside(registration_id)
        if waiting is None:
            raise LinkRefused
        user = _wanted_by(waiting).as_user(Role.USER, now=now, is_verified=True)
        try:
            with session.begin_nested():
                UserRepository(session).add(user)
        except IntegrityError:
            pending.remove(waiting.id)
            self._trail.record(session, events.REGISTRATION_REFUSED, client=client, reason=RegistrationRefused.code)
            raise RegistrationRefused from None
        pending.remove_all(waiting.email_canonical)
        self._trail.record(session, events.REGISTERED, client=client, subject_id=user.id, role=user.role)
        return user

    def _refuse_while_closed(self) -> None:
        if self._settings.now.registration != "open":
            raise RegistrationClosed

    def _looked_at(self, username: str, email: str, password: str, full_name: str | None) -> _Wanted:
        email_canonical = canonical_or_refused(email)
        self._policy.check(password, personal=words_about(username=username, email=email, full_name=full_name))
        # Hash before looking whether the name is taken: otherwise a taken one is refused sooner, and a stranger can tell.
        password_hash = self._hasher.hash(password)
        return _Wanted(username=username, email=email, email_canonical=email_canonical, password_hash=password_hash, full_name=full_name)

    def _open(self, wanted: _Wanted, role: Role, *, client: Client, by_administrator: bool) -> Row[Any]:
        user = wanted.as_user(role, now=self._clock.now(), is_verified=by_administrator)
        try:
            with self._database.transaction(client) as session:
                UserRepository(session).add(user)
                happened = events.CREATED if by_administrator else events.REGISTERED
                self._trail.record(session, happened, client=client, subject_id=user.id, role=role.value)
                if not by_administrator:
                    self._outbox.add(session, VERIFICATION, user_id=user.id)
                person = find_person(session.connection(), user.id, now=user.created_at)
        except IntegrityError:
            raise RegistrationRefused from None
        assert person is not None  # noqa: S101 - it was inserted above
        return person

    def _keep_for_later(self, wanted: _Wanted, *, client: Client) -> None:
        """The same statements for every address: nobody looks here whether there is an account with it.

        What is kept holds neither the name nor the address. A second registration with the same name would else be refused when the
        first one's address was free, and only then.
        """
        now = self._clock.now()
        waiting = PendingRegistration(
            id=new_id(),
            username=wanted.username,
            email=wanted.email,
            email_canonical=wanted.email_canonical,
            password_hash=wanted.password_hash,
            full_name=wanted.full_name,
            created_at=now,
            expires_at=now + timedelta(hours=self._settings.now.verification_link_hours),
        )
        with self._database.transaction(client) as session:
            # That a name is taken may be said: names are public, and it tells nothing about an address.
            if UserRepository(session).find_by_login(canonical_text(wanted.username)):
                raise RegistrationRefused
            pending = PendingRegistrations(session, now=now)
            pending.sweep()
            pending.add(waiting)
            typed = address_hash(self._secrets, wanted.email_canonical)
            self._trail.record(session, events.REGISTRATION_REQUESTED, client=client, address=typed)
            self._outbox.add_spread(session, REGISTRATION, user_id=None, registration_id=waiting.id, address=client.address)


def _wanted_by(waiting: PendingRegistration) -> _Wanted:
    return _Wanted(
        username=waiting.username,
        email=waiting.email,
        email_canonical=waiting.email_canonical,
        password_hash=waiting.password_hash,
        full_name=waiting.full_name,
    )

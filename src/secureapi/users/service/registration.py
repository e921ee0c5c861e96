"""Opening accounts."""

from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Refusal, Unavailable
from secureapi.core.requests import Client
from secureapi.security.passwords import PasswordHasher, PasswordPolicy, words_about
from secureapi.security.permissions import Role
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.errors import RegistrationClosed, RegistrationRefused
from secureapi.users.models import Status, User
from secureapi.users.names import canonical_or_refused, refuse_reserved
from secureapi.users.repository import UserRepository, find_person
from secureapi.users.rules import canonical_text


class Registration:
    """Opening accounts."""

    def __init__(
        self, *, database: Database, clock: Clock, trail: Trail, hasher: PasswordHasher, policy: PasswordPolicy, is_open: bool
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._hasher = hasher
        self._policy = policy
        self._is_open = is_open

    def register(self, *, username: str, email: str, password: str, full_name: str | None = None, client: Client) -> Row[Any]:
        """Open an account for a stranger, with the role `user`.

        Raises `RegistrationClosed`, `Invalid`, `WeakPassword`, and `RegistrationRefused` when a name is taken.
        """
        try:
            if not self._is_open:
                raise RegistrationClosed
            refuse_reserved(username)
            return self._open(username, email, password, full_name, Role.USER, client=client, by_administrator=False)
        except Unavailable:
            raise
        except Refusal as refusal:
            with self._database.transaction(client) as session:
                self._trail.record(session, events.REGISTRATION_REFUSED, client=client, reason=refusal.code)
            raise

    def create(self, *, username: str, email: str, password: str, role: Role, full_name: str | None = None, client: Client) -> Row[Any]:
        """Open an account for somebody, in any role. For administrators; the address counts as verified."""
        return self._open(username, email, password, full_name, role, client=client, by_administrator=True)

    def _open(
        self, username: str, email: str, password: str, full_name: str | None, role: Role, *, client: Client, by_administrator: bool
    ) -> Row[Any]:
        email_canonical = canonical_or_refused(email)
        self._policy.check(password, personal=words_about(username=username, email=email, full_name=full_name))
        # Hash before looking whether the name is taken: otherwise a taken one is refused sooner, and a stranger can tell.
        password_hash = self._hasher.hash(password)
        now = self._clock.now()
        user = User(
            username=username,
            username_canonical=canonical_text(username),
            email=email,
            email_canonical=email_canonical,
            email_verified_at=now if by_administrator else None,
            password_hash=password_hash,
            password_changed_at=now,
            full_name=full_name,
            role=role.value,
            status=Status.ACTIVE.value,
            created_at=now,
            updated_at=now,
        )
        try:
            with self._database.transaction(client) as session:
                UserRepository(session).add(user)
                happened = events.CREATED if by_administrator else events.REGISTERED
                self._trail.record(session, happened, client=client, subject_id=user.id, role=role.value)
                person = find_person(session.connection(), user.id)
        except IntegrityError:
            raise RegistrationRefused from None
        assert person is not None  # noqa: S101 - it was inserted above
        return person

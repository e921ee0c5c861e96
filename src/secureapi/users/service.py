"""Use cases around accounts: opening one, looking at one, changing one's own."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Fault, Invalid
from secureapi.core.pages import Page
from secureapi.core.requests import Client
from secureapi.security.identity import Identity
from secureapi.security.passwords import PasswordHasher, PasswordPolicy
from secureapi.security.permissions import Permission, Role
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.errors import NoSuchUser, ProfileRefused, RegistrationClosed, RegistrationRefused
from secureapi.users.models import Status, User
from secureapi.users.repository import UserRepository, find_person, list_people
from secureapi.users.rules import canonical_email, canonical_text, is_reserved


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
        if not self._is_open:
            raise RegistrationClosed
        if is_reserved(username):
            raise Invalid(faults=[Fault("/username", "reserved", "This username is reserved.")])
        return self._open(username, email, password, full_name, Role.USER, client=client, by_administrator=False)

    def create(self, *, username: str, email: str, password: str, role: Role, full_name: str | None = None, client: Client) -> Row[Any]:
        """Open an account for somebody, in any role. For administrators; the address counts as verified."""
        return self._open(username, email, password, full_name, role, client=client, by_administrator=True)

    def _open(
        self, username: str, email: str, password: str, full_name: str | None, role: Role, *, client: Client, by_administrator: bool
    ) -> Row[Any]:
        email_canonical = _canonical(email)
        self._policy.check(password, personal=(username, email.partition("@")[0]))
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
            with self._database.transaction(client) as session:
                self._trail.record(session, events.REGISTRATION_REFUSED, client=client)
            raise RegistrationRefused from None
        assert person is not None  # noqa: S101 - it was inserted above
        return person


class Profiles:
    """Looking at accounts, and changing one's own."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail

    def mine(self, *, caller: Identity) -> Row[Any]:
        """The caller's own account."""
        with self._database.reading() as connection:
            person = find_person(connection, caller.user_id)
        if person is None:
            raise NoSuchUser
        return person

    def change_mine(self, *, changes: Mapping[str, Any], caller: Identity, client: Client) -> Row[Any]:
        """Change the fields that are given and leave the others. Raises `Invalid`, and `ProfileRefused` when a name is taken."""
        if "username" in changes and is_reserved(changes["username"]):
            raise Invalid(faults=[Fault("/username", "reserved", "This username is reserved.")])
        if "email" in changes:
            _canonical(changes["email"])
        try:
            with self._database.transaction(client) as session:
                user = UserRepository(session).get(caller.user_id, lock=True)
                changed = _apply(user, changes)
                if changed:
                    user.updated_at = self._clock.now()
                    self._trail.record(
                        session, events.PROFILE_CHANGED, client=client, actor=caller, subject_id=user.id, fields=sorted(changed)
                    )
                if "email" in changed:
                    self._trail.record(session, events.EMAIL_CHANGED, client=client, actor=caller, subject_id=user.id)
                session.flush()
                person = find_person(session.connection(), user.id)
        except IntegrityError:
            raise ProfileRefused from None
        assert person is not None  # noqa: S101 - it was locked above
        return person

    def of(self, *, user_id: str, caller: Identity, client: Client) -> Row[Any]:
        """Somebody's account, for those who may read accounts, or one's own.

        Raises `NoSuchUser` alike for an account that is not there and for one that this caller may not see.
        """
        if user_id == caller.user_id:
            return self.mine(caller=caller)
        if not caller.may(Permission.USERS_READ):
            raise NoSuchUser
        with self._database.reading() as connection:
            person = find_person(connection, user_id)
        if person is None:
            raise NoSuchUser
        with self._database.transaction(client) as session:
            self._trail.record(session, events.RECORD_READ, client=client, actor=caller, subject_id=user_id)
        return person

    def page(self, *, caller: Identity, client: Client, **wanted: Any) -> Page:
        """A page of accounts. `wanted` is what `list_people` takes."""
        with self._database.reading() as connection:
            page = list_people(connection, **wanted)
        with self._database.transaction(client) as session:
            self._trail.record(session, events.RECORD_READ, client=client, actor=caller, page=page.page, count=len(page.items))
        return page


def _apply(user: User, changes: Mapping[str, Any]) -> set[str]:
    """Set what differs; the names of the fields that did."""
    changed = {name for name, value in changes.items() if getattr(user, name) != value}
    for name in changed:
        setattr(user, name, changes[name])
    if "username" in changed:
        user.username_canonical = canonical_text(user.username)
    if "email" in changed:
        canonical = canonical_email(user.email)
        if canonical != user.email_canonical:
            user.email_verified_at = None
        user.email_canonical = canonical
    return changed


def _canonical(email: str) -> str:
    try:
        return canonical_email(email)
    except ValueError:
        raise Invalid(faults=[Fault("/email", "email", "This is not an email address.")]) from None

"""Accounts that administrators make for other people: with a password, or by an invitation, which is a link for one."""

from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from secureapi.auth.service.requested_mail import RESET
from secureapi.core.clock import Clock
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.security.identity import Identity
from secureapi.security.passwords import PasswordHasher, PasswordPolicy, generate_password, words_about
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.errors import RegistrationRefused
from secureapi.users.models import Status, User
from secureapi.users.names import canonical_or_refused
from secureapi.users.repository import UserRepository, find_person
from secureapi.users.rules import canonical_text
from secureapi.users.service.authority import Authority, granted


class NewAccounts:
    """Makes them. `caller` is None for the command line of the server."""

    def __init__(
        self,
        *,
        clock: Clock,
        trail: Trail,
        outbox: Outbox,
        hasher: PasswordHasher,
        policy: PasswordPolicy,
        authority: Authority,
    ) -> None:
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._hasher = hasher
        self._policy = policy
        self._authority = authority

    def create(
        self,
        *,
        username: str,
        email: str,
        password: str | None = None,
        role: str,
        full_name: str | None = None,
        caller: Identity | None,
        client: Client,
    ) -> Row[Any]:
        """Open an account in a role that the caller may give; its address counts as verified.

        Without a password it is an invitation: nobody can sign in before the link in a message sent to the address was followed.
        Raises `Invalid`, `WeakPassword`, `GrantRefused`, and `RegistrationRefused` when the name or the address is taken.
        """
        email_canonical = canonical_or_refused(email)
        if password is not None:
            self._policy.check(password, personal=words_about(username=username, email=email, full_name=full_name))
        # What nobody knows, rather than nothing: a try at this account takes as long as at any other.
        password_hash = self._hasher.hash(password or generate_password())
        now = self._clock.now()
        user = User(
            username=username,
            username_canonical=canonical_text(username),
            email=email,
            email_canonical=email_canonical,
            email_verified_at=now,
            password_hash=password_hash,
            password_changed_at=now,
            password_refused_since=None if password is not None else now,
            full_name=full_name,
            status=Status.ACTIVE.value,
            created_at=now,
            updated_at=now,
        )
        try:
            with self._authority.opening(act="create", caller=caller, client=client) as (session, actor):
                user.role = granted(session, actor, role)
                UserRepository(session).add(user)
                is_invited = password is None
                self._trail.record(
                    session, events.CREATED, client=client, actor=caller, subject_id=user.id, role=user.role, is_invited=is_invited
                )
                if is_invited:
                    self._outbox.add(session, RESET, user_id=user.id)
                person = find_person(session.connection(), user.id)
        except IntegrityError:
            raise RegistrationRefused from None
        assert person is not None  # noqa: S101 - it was inserted above
        return person

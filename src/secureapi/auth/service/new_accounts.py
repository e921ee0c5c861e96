"""Accounts that administrators make for other people: with a password, or by an invitation, which is a link for one.

Whoever invites somebody never learns the token: it is made when the message is written, and stands in that alone (ADR 26).
"""

from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.auth.service.requested_mail import INVITATION
from secureapi.core.clock import Clock
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempts
from secureapi.security.identity import Identity
from secureapi.security.passwords import PasswordHasher, PasswordPolicy, generate_password, words_about
from secureapi.security.permissions import Permission
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.errors import NotInvited, RegistrationRefused, TooManyInvitations
from secureapi.users.models import Status, User
from secureapi.users.names import canonical_or_refused, refuse_reserved
from secureapi.users.repository import UserRepository, find_person
from secureapi.users.rules import canonical_text
from secureapi.users.service.authority import Authority, granted
from secureapi.users.taken import taken

_NEEDED = (Permission.USERS_WRITE, Permission.ADMIN_WRITE)
"""To make an account for somebody else, and to send the invitation again."""


class NewAccounts:
    """Makes them. `caller` is None for the command line of the server. `invitations` counts those of each account."""

    def __init__(
        self,
        *,
        clock: Clock,
        trail: Trail,
        outbox: Outbox,
        hasher: PasswordHasher,
        policy: PasswordPolicy,
        authority: Authority,
        invitations: Attempts,
    ) -> None:
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._hasher = hasher
        self._policy = policy
        self._authority = authority
        self._invitations = invitations

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
        Anything but an invitation into an ordinary role asks for a recent proof. Raises `Invalid`, `WeakPassword`, `GrantRefused`,
        `StepUpRequired`, `KeyNotAllowed`, and `RegistrationRefused` when the name or the address is taken.
        """
        email_canonical = canonical_or_refused(email)
        if caller:
            # Whoever installs the service names its first administrator as he likes.
            refuse_reserved(username)
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
            invited_at=None if password is not None else now,
            full_name=full_name,
            status=Status.ACTIVE.value,
            created_at=now,
            updated_at=now,
        )
        with self._authority.opening(act="create", needs=_NEEDED, caller=caller, client=client) as (session, actor):
            standing, is_invited = granted(session, actor, role), password is None
            if not (is_invited and standing.is_ordinary):
                # Or the thief of a token or of a key makes himself somebody who is there when that is over.
                self._authority.require_recent(caller)
            user.role = standing.role
            try:
                UserRepository(session).add(user)
            except IntegrityError as error:
                # Here, so that it is remembered: whoever asks for one address after the other finds out who has an account.
                raise RegistrationRefused(faults=taken(error, actor)) from None
            self._trail.record(
                session, events.CREATED, client=client, actor=caller, subject_id=user.id, role=user.role, is_invited=is_invited
            )
            if is_invited:
                self._invite(session, user.id, caller)
            person = find_person(session.connection(), user.id, now=now)
        assert person is not None  # noqa: S101 - it was inserted above
        return person

    def invite_again(self, *, user_id: str, caller: Identity | None, client: Client) -> Row[Any]:
        """Send the invitation once more, with another link in the place of the former one, good for as long again.

        Raises `NoSuchUser`, `HigherRank`, `NotInvited`, and `TooManyInvitations` when it was sent often enough for now.
        """
        with self._authority.over(user_id, act="invite", needs=_NEEDED, caller=caller, client=client) as case:
            if case.user.invited_at is None or not case.user.is_active_at(case.now):
                raise NotInvited
            case.user.invited_at = case.user.updated_at = case.now
            self._invite(case.session, user_id, caller)
            self._trail.record(case.session, events.INVITED_AGAIN, client=client, actor=caller, subject_id=user_id)
            case.session.flush()
            person = find_person(case.session.connection(), user_id, now=case.now)
        assert person is not None  # noqa: S101 - it is locked
        return person

    def _invite(self, session: Session, user_id: str, caller: Identity | None) -> None:
        """Leave the note. Counted for the account, whoever asks: a thief of an administrator's session shall flood nobody."""
        key = f"{INVITATION}:{user_id}"
        attempt = self._invitations.reserve(session, key)
        if not attempt.is_allowed:
            raise TooManyInvitations(retry_after=self._invitations.seconds_left(session, key))
        if attempt.number == 1:
            self._invitations.sweep(session)
        self._outbox.add(session, INVITATION, user_id=user_id, invited_by=caller.user_id if caller else None)

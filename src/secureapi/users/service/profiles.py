"""Looking at accounts, and changing one's own."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Refusal, Unauthenticated, Unavailable
from secureapi.core.outbox import Outbox
from secureapi.core.pages import Page
from secureapi.core.requests import Client
from secureapi.security.events import ACCESS_DENIED
from secureapi.security.identity import Identity
from secureapi.security.links import OneTimeLinks, Purpose
from secureapi.security.permissions import Permission
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.errors import NoSuchUser, ProfileRefused
from secureapi.users.lists import list_people
from secureapi.users.mailboxes import mailbox
from secureapi.users.models import User
from secureapi.users.names import canonical_or_refused, refuse_reserved
from secureapi.users.repository import PERSON_BY_ID, UserRepository, find_own, find_person
from secureapi.users.rules import canonical_email, canonical_text

CONFIRMATION = "request.confirmation"
"""The topic of the note about an account that shall have another address."""
_NOTICE = "notice.email_change"
IsGoing = Callable[[Session, Identity], bool]
"""Whether the session of a caller is still going on, and will be until this transaction ends. Which room has sessions is not known here."""


class Profiles:
    """Looking at accounts, and changing one's own."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail, outbox: Outbox, links: OneTimeLinks, is_going: IsGoing) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._links = links
        self._is_going = is_going

    def mine(self, *, caller: Identity) -> Any:
        """The caller's own account: a row of `PERSON`."""
        person = self._database.run(PERSON_BY_ID, user_id=caller.user_id, now=self._clock.now())
        if person is None:
            # Deleted since the guard let him in.
            raise Unauthenticated
        return person

    def change_mine(
        self, *, changes: Mapping[str, Any], require_recent: Callable[[Identity], None], caller: Identity, client: Client
    ) -> Row[Any]:
        """Change the fields that are given and leave the others. Raises `Invalid`, and `ProfileRefused` when a username is taken.

        Another address is not that of the account before whoever reads there has confirmed it; whether somebody has it already is not
        told. `require_recent` raises for a caller who proved too long ago who he is. It is asked before another address is taken down:
        whoever has the address can soon have the account.
        """
        try:
            return self._change(changes, require_recent, caller, client)
        except Unavailable:
            raise
        except Refusal as refusal:
            # Remembered: whoever asks for one taken name after the other finds out who has an account.
            with self._database.transaction(client) as session:
                self._trail.record(
                    session, events.PROFILE_REFUSED, client=client, actor=caller, subject_id=caller.user_id, reason=refusal.code
                )
            raise

    def _change(self, changes: Mapping[str, Any], require_recent: Callable[[Identity], None], caller: Identity, client: Client) -> Row[Any]:
        if "username" in changes:
            refuse_reserved(changes["username"])
        if "email" in changes:
            canonical_or_refused(changes["email"])
        try:
            with self._database.transaction(client) as session:
                named = [canonical_text(changes["username"])] if "username" in changes else []
                user = UserRepository(session).lock_people({caller.user_id}, known_as=named).get(caller.user_id)
                if user is None or not user.is_active_at(self._clock.now()) or not self._is_going(session, caller):
                    # Deleted or thrown out while this request waited for the row.
                    raise Unauthenticated
                if changes.get("email", user.email) != user.email:
                    require_recent(caller)
                if "email" in changes:
                    self._take_address(session, user, changes["email"], caller, client)
                changed = _apply(user, changes)
                if changed:
                    user.updated_at = self._clock.now()
                    self._trail.record(
                        session, events.PROFILE_CHANGED, client=client, actor=caller, subject_id=user.id, fields=sorted(changed)
                    )
                session.flush()
                person = find_own(session.connection(), user.id, now=self._clock.now())
        except IntegrityError:
            raise ProfileRefused from None
        assert person is not None  # noqa: S101 - it was locked above
        return person

    def _take_address(self, session: Session, user: User, email: str, caller: Identity, client: Client) -> None:
        """Take down another address until it is confirmed; the present one, in capitals or small letters, is nothing to wait for.

        Any other spelling of the present one is: it may be somebody else's mailbox. See `users/mailboxes.py`.
        """
        if user.pending_email is not None and mailbox(email) != mailbox(user.pending_email):
            self._links.withdraw(session, user.id, Purpose.CONFIRM_EMAIL)
        if mailbox(email) != mailbox(user.email):
            user.pending_email = email
            self._outbox.add_spread(session, CONFIRMATION, user_id=user.id, asked_in=devices_state(user))
            self._outbox.add(session, _NOTICE, user_id=user.id, address=client.address)
            self._trail.record(session, events.EMAIL_CHANGE_REQUESTED, client=client, actor=caller, subject_id=user.id)
            return
        if user.pending_email is not None:
            user.pending_email = None
            self._trail.record(session, events.EMAIL_CHANGE_CANCELLED, client=client, actor=caller, subject_id=user.id)
        if email != user.email:
            user.move_to(email, canonical=canonical_email(email), verified_at=user.email_verified_at)
            user.updated_at = self._clock.now()
            self._trail.record(session, events.EMAIL_CHANGED, client=client, actor=caller, subject_id=user.id)

    def of(self, *, user_id: str, caller: Identity, client: Client) -> Any:
        """Somebody's account, for those who may read accounts, or one's own.

        Raises `NoSuchUser` alike for an account that is not there and for one that this caller may not see.
        """
        if user_id == caller.user_id and caller.may(Permission.SELF_READ):
            return self.mine(caller=caller)
        if not caller.may(Permission.USERS_READ):
            # Nobody looks whether there is such an account: the time would tell.
            self._remember_denial(user_id, "not_yours", caller, client)
            raise NoSuchUser
        with self._database.reading() as connection:
            person = find_person(connection, user_id, now=self._clock.now())
        if person is None:
            self._remember_denial(user_id, "not_there", caller, client)
            raise NoSuchUser
        with self._database.transaction(client) as session:
            self._trail.record(session, events.RECORD_READ, client=client, actor=caller, subject_id=user_id)
        return person

    def _remember_denial(self, user_id: str, reason: str, caller: Identity, client: Client) -> None:
        """Somebody who tries id after id is to be seen."""
        details = {"kind": "users", "object_id": user_id, "wanted": "see", "reason": reason}
        with self._database.transaction(client) as session:
            self._trail.record(session, ACCESS_DENIED, client=client, actor=caller, subject_id=caller.user_id, **details)

    def page(self, *, caller: Identity, client: Client, **wanted: Any) -> Page:
        """A page of accounts. `wanted` is what `list_people` takes."""
        with self._database.reading() as connection:
            page = list_people(connection, now=self._clock.now(), **wanted)
        with self._database.transaction(client) as session:
            self._trail.record(session, events.RECORD_READ, client=client, actor=caller, page=page.page, count=len(page.items))
        return page


def devices_state(user: User) -> str:
    """Changes whenever everybody is thrown out of an account. Compared for being the same: which of two moments of two hosts is the
    later one, nobody knows.
    """
    return user.devices_since.isoformat() if user.devices_since else ""


def _apply(user: User, changes: Mapping[str, Any]) -> set[str]:
    """Set what differs, except the address; the names of the fields that did."""
    changed = {name for name, value in changes.items() if name != "email" and getattr(user, name) != value}
    for name in changed:
        setattr(user, name, changes[name])
    if "username" in changed:
        user.username_canonical = canonical_text(user.username)
    return changed

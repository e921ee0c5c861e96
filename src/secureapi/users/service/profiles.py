"""Looking at accounts, and changing one's own."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Refusal, Unauthenticated, Unavailable
from secureapi.core.pages import Page
from secureapi.core.requests import Client
from secureapi.security.identity import Identity
from secureapi.security.permissions import Permission
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.errors import NoSuchUser, ProfileRefused
from secureapi.users.models import User
from secureapi.users.names import canonical_or_refused, refuse_reserved
from secureapi.users.repository import PERSON_BY_ID, UserRepository, find_person, list_people
from secureapi.users.rules import canonical_email, canonical_text


class Profiles:
    """Looking at accounts, and changing one's own."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail

    def mine(self, *, caller: Identity) -> Any:
        """The caller's own account: a row of `PERSON`."""
        person = self._database.run(PERSON_BY_ID, user_id=caller.user_id)
        if person is None:
            raise NoSuchUser
        return person

    def change_mine(
        self, *, changes: Mapping[str, Any], require_recent: Callable[[Identity], None], caller: Identity, client: Client
    ) -> Row[Any]:
        """Change the fields that are given and leave the others. Raises `Invalid`, and `ProfileRefused` when a name is taken.

        `require_recent` raises for a caller who proved too long ago who he is. It is asked before another address takes the place of
        the present one: whoever has the address can soon have the account.
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
                user = UserRepository(session).get(caller.user_id, lock=True)
                if not user.is_active:
                    # While this request waited for the row.
                    raise Unauthenticated
                if changes.get("email", user.email) != user.email:
                    require_recent(caller)
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

    def of(self, *, user_id: str, caller: Identity, client: Client) -> Any:
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

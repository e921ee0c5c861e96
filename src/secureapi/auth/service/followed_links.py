"""What every use case does that begins with a link from a message: look at it, lock its account, use it up, remember refusals."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.errors import LinkRefused
from secureapi.security.links import Link, OneTimeLinks, Purpose
from secureapi.security.trail import Trail
from secureapi.users.errors import NoSuchUser
from secureapi.users.models import User
from secureapi.users.repository import UserRepository
from secureapi.users.rules import canonical_email

Wanted = Callable[[Link, User], str | None]


def _nothing(_link: Link, _user: User) -> None:
    return None


class FollowedLinks:
    """Takes tokens of links that belong to accounts."""

    def __init__(self, *, database: Database, trail: Trail, links: OneTimeLinks) -> None:
        self._database = database
        self._trail = trail
        self._links = links

    def take(self, session: Session, purpose: Purpose, token: str, *, wanted: Wanted = _nothing) -> tuple[Link, User]:
        """Use a link up, and lock its account. Raises `LinkRefused`.

        The account first, then the link: whoever withdraws links does it in this order, and two orders would wait for one another.
        `wanted` tells which address the account is about to get: whoever has it is locked along with it.
        """
        seen, users = self._links.look_at(session, purpose, token), UserRepository(session)
        try:
            user = users.get(seen.user_id or "")
        except NoSuchUser:
            raise LinkRefused from None
        address = wanted(seen, user)
        people = users.lock_people({user.id}, known_as=[canonical_email(address)] if address else [])
        if user.id not in people:
            raise LinkRefused
        return self._links.take(session, purpose, token), people[user.id]

    @contextmanager
    def remembered(self, purpose: Purpose, client: Client) -> Iterator[None]:
        """Leave an event when a link is refused. Around the transaction, which is gone by then."""
        try:
            yield
        except LinkRefused:
            with self._database.transaction(client) as session:
                self._trail.record(session, events.LINK_REFUSED, client=client, purpose=purpose.value)
            raise

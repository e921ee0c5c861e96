"""Finding accounts by whatever somebody typed, for operators at the command line of the server."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.identifiers import is_id
from secureapi.core.pages import Page
from secureapi.core.requests import Client
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.errors import NoSuchUser
from secureapi.users.lists import list_people
from secureapi.users.repository import UserRepository, find_person
from secureapi.users.rules import canonical_login


class Directory:
    """Accounts as operators see them. Every look leaves an event, as it does over HTTP."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail

    def find(self, *, who: str, client: Client) -> Row[Any]:
        """The account with this id, username or address. Raises `NoSuchUser`."""
        with self._database.transaction(client) as session:
            person = find_account(session, who, now=self._clock.now())
            self._trail.record(session, events.RECORD_READ, client=client, subject_id=person.id)
        return person

    def page(self, *, client: Client, **wanted: Any) -> Page:
        """A page of accounts. `wanted` is what `list_people` takes."""
        with self._database.transaction(client) as session:
            page = list_people(session.connection(), now=self._clock.now(), **wanted)
            self._trail.record(session, events.RECORD_READ, client=client, page=page.page, count=len(page.items))
        return page


def find_account(session: Session, who: str, *, now: datetime) -> Row[Any]:
    """The account with this id, username or address. Raises `NoSuchUser`.

    What is spelled like an id is one and nothing else. Somebody may have had such a username before it was reserved, and must not stand
    in for an account that is gone.
    """
    if is_id(who):
        person = find_person(session.connection(), who, now=now)
    else:
        user = UserRepository(session).find_by_login(canonical_login(who))
        person = find_person(session.connection(), user.id, now=now) if user else None
    if person is None:
        raise NoSuchUser
    return person

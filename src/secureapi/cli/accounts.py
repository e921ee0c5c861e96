"""Accounts as commands need them: found by whatever somebody typed, checked before they are made.

Deciding anything is the business of the services of `users` and `auth`.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from secureapi.auth.service import Credentials
from secureapi.core.database import Database
from secureapi.core.errors import Conflict
from secureapi.core.identifiers import is_id
from secureapi.core.services import service
from secureapi.security.permissions import Role
from secureapi.users.errors import NoSuchUser
from secureapi.users.repository import UserRepository, find_person
from secureapi.users.rules import canonical_login
from secureapi.users.schemas import RegisterRequest, UserResponse


class LastAdministrator(Conflict):
    """The only account that could undo this is the one that it is about."""

    code = "last_administrator"
    detail = "This is the last active administrator. Make another one first."


def person_called(who: str) -> Row[Any]:
    """The account with this id, username or address. Raises `NoSuchUser`.

    An id is looked for first: a username may look like one, and must not stand in for somebody else's.
    """
    with service(Database).reading() as connection:
        person = find_person(connection, who) if is_id(who) else None
    if person is not None:
        return person
    with service(Database).transaction() as session:
        user = UserRepository(session).find_by_login(canonical_login(who))
        person = find_person(session.connection(), user.id) if user else None
    if person is None:
        raise NoSuchUser
    return person


def described(person: Row[Any]) -> dict[str, Any]:
    """An account in the words of the API, and whether it is locked, which only those at the command line may know."""
    found: Mapping[str, Any] = UserResponse().dump(person)
    return dict(found) | {"is_locked": service(Credentials).is_locked(user_id=person.id)}


def checked_account(**account: Any) -> dict[str, Any]:
    """What is needed to open an account, of the shape that the API asks for too. Raises `marshmallow.ValidationError`."""
    loaded: dict[str, Any] = RegisterRequest().load({name: value for name, value in account.items() if value is not None})
    return loaded


def refuse_for_the_last_administrator(person: Row[Any]) -> None:
    """Raise `LastAdministrator` for the only active one: nobody could let people in again."""
    if person.role != Role.ADMIN or not person.is_active:
        return
    with service(Database).transaction() as session:
        if UserRepository(session).count(Role.ADMIN.value) == 1:
            raise LastAdministrator

"""Accounts as commands need them: found by whatever somebody typed, checked before they are made.

Deciding anything is the business of the services of `users` and `auth`.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from secureapi.auth.service import Credentials
from secureapi.core.requests import Client
from secureapi.core.services import service
from secureapi.users.schemas import RegisterRequest, UserResponse
from secureapi.users.service import Directory


def person_called(who: str) -> Row[Any]:
    """The account with this id, username or address. Raises `NoSuchUser`."""
    return service(Directory).find(who=who, client=Client.of_command_line())


def described(person: Row[Any]) -> dict[str, Any]:
    """An account in the words of the API, and whether it is locked, which only those at the command line may know."""
    found: Mapping[str, Any] = UserResponse().dump(person)
    return dict(found) | {"is_locked": service(Credentials).is_locked(user_id=person.id)}


def checked_account(**account: Any) -> dict[str, Any]:
    """What is needed to open an account, of the shape that the API asks for too. Raises `marshmallow.ValidationError`."""
    loaded: dict[str, Any] = RegisterRequest().load({name: value for name, value in account.items() if value is not None})
    return loaded

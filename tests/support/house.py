"""An application with a database of its own, and short words for what journeys do in it."""

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Row, select, text

from secureapi import create_app
from secureapi.core.clock import Clock
from secureapi.core.database import Database, table_of
from secureapi.core.requests import Client
from secureapi.core.services import service
from secureapi.security.models import AuditEvent
from secureapi.security.permissions import Role
from secureapi.settings import Settings
from secureapi.users.service import Registration
from support.building import share_common_work

T = TypeVar("T")
_numbers = itertools.count()
share_common_work()


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token pair, and the headers that present it."""

    access: str
    refresh: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


@dataclass(slots=True)
class Person:
    """Somebody with an account. `tokens` are of the first session, opened when they are first asked for."""

    house: "House"
    id: str
    username: str
    email: str
    password: str
    role: Role = Role.USER
    _tokens: Tokens | None = field(default=None, repr=False)

    @property
    def tokens(self) -> Tokens:
        if self._tokens is None:
            self._tokens = self.house.sign_in(self)
        return self._tokens

    @property
    def headers(self) -> dict[str, str]:
        """`Authorization` with the access token of the first session."""
        return self.tokens.headers


class House:
    """One application. `close()` leaves nothing open; fixtures call it."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None, **options: Any) -> None:
        self.settings = settings
        self.app: Flask = create_app(settings, clock=clock, **options)

    @property
    def is_embedded(self) -> bool:
        """SQLite and limits in the process, rather than PostgreSQL and Redis."""
        return self.settings.is_embedded_database

    def client(self) -> FlaskClient:
        """A new client: 127.0.0.1, no cookies."""
        return self.app.test_client()

    def service(self, kind: type[T]) -> T:
        """The service of this class, as the application wired it."""
        return service(kind, self.app)

    def register(self, **fields: Any) -> Person:
        """Open an account over HTTP, under a name that nobody else has unless `fields` say otherwise."""
        wanted = _somebody() | fields
        answer = self.client().post("/api/v1/auth/register", json=wanted)
        assert answer.status_code == 201, answer.text
        return Person(self, answer.json["id"], wanted["username"], wanted["email"], wanted["password"])

    def person(self, *, role: Role | str = Role.USER, **fields: Any) -> Person:
        """Open an account as an administrator would, in any role, and sign it in."""
        wanted = _somebody() | fields
        row = self.service(Registration).create(**wanted, role=Role(role), client=Client.of_command_line())
        person = Person(self, str(row.id), wanted["username"], wanted["email"], wanted["password"], Role(role))
        assert person.tokens
        return person

    def administrator(self) -> Person:
        """Somebody who may do everything, signed in."""
        return self.person(role=Role.ADMIN)

    def sign_in(self, person: Person) -> Tokens:
        """Open one more session over HTTP."""
        answer = self.client().post("/api/v1/auth/login", json={"username": person.username, "password": person.password})
        assert answer.status_code == 200, answer.text
        return Tokens(answer.json["access_token"], answer.json["refresh_token"])

    def events(self, type: str | None = None, *, subject: Person | str | None = None) -> Sequence[Row[Any]]:  # noqa: A002 - the column
        """Rows of the trail, oldest first. `subject` leaves only those about one person: a shared house has others' too."""
        table = table_of(AuditEvent)
        query = select(table).order_by(table.c.id)
        if type is not None:
            query = query.where(table.c.type == type)
        if subject is not None:
            query = query.where(table.c.subject_id == (subject.id if isinstance(subject, Person) else subject))
        with self.service(Database).reading() as connection:
            return connection.execute(query).all()

    def execute(self, sql: str, **parameters: Any) -> Sequence[Row[Any]]:
        """Run a statement behind the application's back, committed; its rows, if it has any."""
        with self.service(Database).engine.begin() as connection:
            result = connection.execute(text(sql), parameters)
            return result.all() if result.returns_rows else []

    def close(self) -> None:
        self.service(Database).dispose()


def _somebody() -> dict[str, str]:
    word = secrets.token_hex(6)
    # Fifteen characters, each password another: from sixteen on the policy would estimate how hard it is to guess, in 4 ms.
    return {"username": f"user-{word}", "email": f"user-{word}@example.com", "password": f"Tall-Oak-{next(_numbers):05}!"}

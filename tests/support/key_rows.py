"""The keys of an installation as rows of its table, for tests that look behind the ring's back."""

from datetime import UTC, datetime

from sqlalchemy import select, update

from secureapi.auth.models import SigningKey
from secureapi.core.database import table_of
from secureapi.core.requests import Client

CLIENT = Client(address="192.0.2.1", user_agent="tests", request_id="request-0001")
BEGINNING = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SECRET = "the secret of this installation, long enough"
KEYS = table_of(SigningKey)


def rows(database, phase=None):
    query = select(KEYS).order_by(KEYS.c.created_at, KEYS.c.kid)
    with database.reading() as connection:
        return connection.execute(query if phase is None else query.where(KEYS.c.phase == phase)).all()


def change(database, kid=None, **values):
    statement = update(KEYS).values(**values)
    with database.writing() as connection:
        connection.execute(statement if kid is None else statement.where(KEYS.c.kid == kid))


def made_up(number):
    """A well-formed id that no key has."""
    return f"{number:043d}"
